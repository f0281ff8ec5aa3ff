"""What may become of an image."""

import contextlib
import dataclasses
import uuid
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete as delete_rows
from sqlalchemy import select

from portal import config
from portal.db import now, session, transaction
from portal.errors import Conflict, Refused, all_of
from portal.models import Image, ImageMember, Instance, Power, Visibility
from portal.policies import Actor, authorize
from portal.sentences import Sentence
from portal.services import activities, idempotency, quotas, users
from portal.services.images import store, wishes
from portal.services.images.fetches import stop_fetching
from portal.services.images.inspection import check_beginning
from portal.services.images.looks import find, locked, named, there, unnamed
from portal.services.images.wishes import NewImage

GIB = 2**30
CHUNK = 2**20  # bytes
STRANGER_AFTER = timedelta(hours=1)  # a younger file may be about to be named


@dataclasses.dataclass(frozen=True)
class _Sent:
    """What tells one upload from another."""

    new: NewImage
    sha256: str


def create(
    actor: Actor, project_id: uuid.UUID, new: NewImage, chunks: Iterable[bytes], *, key: str = ""
) -> Image:
    """The project has an image of the bytes that `chunks` bring. Nothing is read before all that
    can be refused without them was, and nothing is left of what is refused half-way. The same
    `key` again answers with the image that it made the first time."""
    fields, (most, too_large) = _judged(actor, project_id, new, key)
    with store.receive(chunks, most_bytes=most, too_large=too_large) as received:
        body = idempotency.body_hash(_Sent(new, received.sha256))
        with kept(received), transaction():
            quotas.lock(project_id)
            sender = users.as_now(actor)  # who may have lost a role while the bytes came in
            authorize(sender, "images:create", project_id)
            wishes.of_new(sender, new)
            if made := idempotency.earlier(project_id, key, "images:create", body):
                return session.get_one(Image, made[0])
            quotas.check_image(project_id, received.size_bytes)
            image = _row(received, fields, project_id=project_id, user_id=actor.user_id)
            _record_new(actor, image)
            idempotency.remember(project_id, key, "images:create", body, [image.id])
    return image


def check(
    actor: Actor,
    project_id: uuid.UUID,
    new: NewImage,
    *,
    size_bytes: int,
    head: bytes = b"",
    key: str = "",
) -> None:
    """Return when `create` would take a file of so many bytes that begins with `head`, as far as
    that is known without the rest. Raises Refused with everything that is wrong."""

    def check_size() -> None:
        if size_bytes < 1:
            raise Refused("Choose the file of a disk.", field="file")
        most, too_large = room_for(project_id)
        if size_bytes > most:
            raise Refused.saying(too_large, field="file")
        if head:
            most_virtual = config.current().image_max_virtual_gib * GIB
            check_beginning(head, size_bytes, most_virtual_bytes=most_virtual)

    authorize(actor, "images:create", project_id)
    idempotency.check(key)
    all_of(lambda: wishes.of_new(actor, new), check_size)


def register(
    actor: Actor,
    path: Path,
    *,
    name: str,
    min_disk_gib: int = 0,
    min_memory_mib: int = 0,
    login_user: str = "",
) -> Image:
    """There is a public image with the content of a file of this machine, which is copied. One of
    this name and content that is there already is answered with instead."""
    authorize(actor, "images:publish")
    new = NewImage(
        name=name,
        visibility=Visibility.PUBLIC,
        min_disk_gib=min_disk_gib,
        min_memory_mib=min_memory_mib,
        login_user=login_user,
    )
    fields = wishes.of_new(actor, new)
    most, too_large = _largest()
    with (
        open(path, "rb") as file,
        store.receive(_chunks(file), most_bytes=most, too_large=too_large) as received,
        kept(received),
        transaction(),
    ):
        same = session.scalar(
            select(Image).where(
                Image.sha256 == received.sha256,
                Image.name == fields["name"],
                Image.project_id.is_(None),
                Image.deleted_at.is_(None),
            )
        )
        if same:
            return same
        image = _row(received, fields, project_id=None, user_id=None)
        _record_new(actor, image)
    return image


def delete(actor: Actor, project_id: uuid.UUID, image_id: uuid.UUID) -> None:
    """The image can no longer be chosen, and its bytes are gone unless another image has the same.
    One that is being fetched is fetched no further.

    Instances that have started go on from the copy of their host. One that has not may still
    need the bytes, so it stands against it.
    """
    find(actor, project_id, image_id)
    with store.turn():
        with transaction():
            image = locked(actor, "delete", project_id, image_id)
            if image.protected:
                raise Conflict(
                    "{image} is protected from deletion. End its protection first.",
                    image=image.called,
                )
            waiting = session.scalars(
                select(Instance.name).where(
                    Instance.image_id == image.id,
                    Instance.launched_at.is_(None),
                    Instance.desired != Power.ABSENT,
                )
            ).all()
            if waiting:
                raise Conflict(
                    "{instance} is being built from {image}. Wait for it, or delete it."
                    if len(waiting) == 1
                    else "{count} instances are being built from {image}. Wait for them, or "
                    "delete them.",
                    instance=waiting[0],
                    count=len(waiting),
                    image=image.called,
                )
            image.deleted_at = now()
            session.execute(delete_rows(ImageMember).where(ImageMember.image_id == image.id))
            operation = None
            if not image.ready and image.published_as:
                image.generation += 1
                operation = stop_fetching(actor, image, project_id)
            activities.record(
                actor, "images:delete", image, before={"sha256": image.sha256}, operation=operation
            )
        fetched = store.fetched().get(image.id)
        store.forget(image.id)
        for sha256 in {image.sha256, fetched} - {"", None}:
            drop_unnamed(sha256)


def drop(images: Iterable[Image]) -> None:
    """The store does not hold what these images, which are deleted, were the last to name. Call it
    in a turn of the store."""
    for sha256 in {each.sha256 for each in images} - {""}:
        drop_unnamed(sha256)


def remove_strangers(actor: Actor, listed: Iterable[str]) -> set[str]:
    """Of the files `listed`, by their SHA-256, those that no image names and that have lain there
    for an hour are gone. Returns which. With them go all notes of images that there are not."""
    authorize(actor, "hosts:clean")
    with store.turn():
        strangers = {
            each
            for each in unnamed().intersection(listed)
            if now() - store.written_at(each) > STRANGER_AFTER
        }
        for each in strangers:
            store.remove(each)
        noted = store.noted()
        for image_id in noted - there(noted):
            store.forget(image_id)
    return strangers


@contextlib.contextmanager
def kept(received: store.Received) -> Iterator[None]:
    """What came in lies in the store while its row is written, and afterwards if it was."""
    with store.turn():
        received.keep()
        try:
            yield
        finally:
            drop_unnamed(received.sha256)


def drop_unnamed(sha256: str) -> None:
    """The store does not hold what no image names."""
    if not named({sha256}):
        store.remove(sha256)


def _row(received: store.Received, fields: dict, **whose) -> Image:
    image = Image(
        **fields,
        **whose,
        format=received.disk.format,
        sha256=received.sha256,
        md5=received.md5,
        size_bytes=received.size_bytes,
        virtual_size_bytes=received.disk.virtual_size_bytes,
    )
    session.add(image)
    session.flush()
    return image


def _record_new(actor: Actor, image: Image) -> None:
    activities.record(
        actor,
        "images:create",
        image,
        after={
            "visibility": image.visibility.value,
            "format": image.format,
            "size": f"{image.size_bytes:,} bytes",
            "sha256": image.sha256,
        },
    )


def room_for(project_id: uuid.UUID, *, images: int = 1) -> tuple[int, Sentence]:
    """How many bytes may come in for so many more images, and what is said about one more byte.
    Raises OverQuota when there is no room for any."""
    most, too_large = _largest()
    with transaction():  # none is open while the bytes come in
        quotas.lock(project_id)
        quotas.check_image(project_id, 1, images=images)
        left = quotas.image_bytes_left(project_id)
    if left < most:
        return left, Sentence(
            "The quota for the image store has {left:size} left, and this is larger. Delete an "
            "image, or ask an administrator for more.",
            left=left,
        )
    return most, too_large


def _largest() -> tuple[int, Sentence]:
    most = config.current().image_max_gib
    return most * GIB, Sentence("This is larger than the {most:disk} that are taken.", most=most)


def _chunks(file) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _judged(
    actor: Actor, project_id: uuid.UUID, new: NewImage, key: str
) -> tuple[dict, tuple[int, Sentence]]:
    """Columns and room of an image that is about to come in. Raises Refused with all that is
    wrong."""
    authorize(actor, "images:create", project_id)
    idempotency.check(key)
    fields, room = all_of(lambda: wishes.of_new(actor, new), lambda: room_for(project_id))
    return fields, room
