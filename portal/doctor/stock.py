"""What the database and the image store hold: people, a menu, images, changes, a record."""

import hashlib
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from portal.config import Settings
from portal.db import now, session
from portal.doctor.finding import Finding
from portal.models import Flavor, Image, Operation, Role, RoleAssignment, User, held_by
from portal.services import images as image_services
from portal.services import seals

LATE = timedelta(minutes=1)  # beyond its deadline, an operation that is open was left behind
SUMMED_BYTES = 8 * 2**30  # of images, in one examination, the small ones first
WRITABLE = 0o222


def people(_settings: Settings) -> Iterator[Finding]:
    """Somebody can sign in who administers all of it."""
    held = select(RoleAssignment.id).where(
        held_by(User.id), RoleAssignment.in_cloud, RoleAssignment.role == Role.ADMIN
    )
    there = (User.enabled, User.deleted_at.is_(None), held.correlate(User).exists())
    admins = session.scalar(select(func.count()).select_from(User).where(*there))
    yield Finding(
        admins > 0, f"Administrators who can sign in: {admins}", "flask create-admin NAME"
    )


def menu(_settings: Settings) -> Iterator[Finding]:
    """There are sizes to choose from."""
    flavors = session.scalar(select(func.count()).select_from(Flavor).where(Flavor.enabled))
    yield Finding(flavors > 0, f"Flavors on offer: {flavors}", "Make one under Flavors.")


def images(settings: Settings) -> Iterator[Finding]:
    """There are disks to begin with, each as it came in."""
    there = session.scalars(
        select(Image).where(Image.deleted_at.is_(None), Image.ready).order_by(Image.size_bytes)
    ).all()
    yield Finding(
        bool(there),
        f"Images: {len(there)}",
        "Fetch or upload one under Images, or use flask add-image FILE.",
    )
    left = SUMMED_BYTES
    for image in there:
        path = settings.image_store / image.sha256
        wrong = _wrong_with(path, image, sum_it=image.size_bytes <= left)
        left -= image.size_bytes
        if wrong:
            yield Finding(
                False,
                f"The file of the image {image.called} is whole: {wrong}",
                f"Put back {path} from a backup, or delete the image.",
            )
        elif stat.S_IMODE(path.stat().st_mode) & WRITABLE:
            yield Finding(
                False,
                f"Nobody can write to the file of the image {image.called}",
                f"chmod a-w {path}",
            )
    if strangers := image_services.strangers():
        yield Finding(
            False,
            f"Files in the image store that no image names: {len(strangers)}",
            "Look at them with flask strangers; flask strangers --remove removes them, an hour "
            "after they came.",
        )


def _wrong_with(path: Path, image: Image, *, sum_it: bool) -> str:
    """Why the file is not what the image says, or nothing."""
    if not path.exists():
        return "it is not there"
    if path.stat().st_size != image.size_bytes:
        return f"it has {path.stat().st_size} bytes of {image.size_bytes}"
    if not sum_it:
        return ""
    with open(path, "rb") as file:
        altered = hashlib.file_digest(file, "sha256").hexdigest() != image.sha256
    return "its content was altered" if altered else ""


def operations(_settings: Settings) -> Iterator[Finding]:
    """No change was left behind."""
    late = session.scalar(
        select(func.count())
        .select_from(Operation)
        .where(Operation.finished_at.is_(None), Operation.deadline < now() - LATE)
    )
    yield Finding(
        late == 0,
        f"Changes open beyond their deadline: {late}",
        "The conductor ends them: start it, and look at its log.",
    )


def record(_settings: Settings) -> Iterator[Finding]:
    """What was done is written down, and nobody altered it since."""
    count, newest, fault = seals.verify()
    yield Finding(
        not fault,
        f"The record is whole: {count} entries are sealed, the newest with {newest}"
        if not fault
        else f"The record is whole: {fault}",
        "The conductor seals them: start it, and look at its log."
        if fault == "entries are not sealed"
        else "Compare the record with that of a backup: somebody changed it in the database.",
    )
