"""What may be said of an image, and what is said against it."""

import dataclasses
import re
from collections.abc import Mapping, Sequence

from portal import config
from portal.errors import Forbidden, Refused, all_of
from portal.models import Visibility
from portal.policies import Actor
from portal.services import names
from portal.services.details import Details, checked

MOST_MEMORY_MIB = 2**20
FORMATS = ("raw", "qcow2")
LOGIN_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")  # useradd(8)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewImage:
    """What an image is called, for whom it is, and what an instance needs to start from it."""

    name: str
    visibility: Visibility = Visibility.PRIVATE
    min_disk_gib: int | None = 0
    min_memory_mib: int | None = 0
    login_user: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Edit:
    """What shall be said of an image from now on; what is None stays as it is. A program may leave
    an image without a name."""

    name: str | None = None
    visibility: Visibility | None = None
    format: str | None = None
    min_disk_gib: int | None = None
    min_memory_mib: int | None = None
    protected: bool | None = None
    hidden: bool | None = None
    properties: Mapping[str, str] | None = None
    tags: Sequence[str] | None = None


def of_new(actor: Actor, new: NewImage) -> dict:
    """The columns that `new` comes to. Raises Refused with all that is wrong."""
    found = all_of(
        lambda: names.label(new.name),
        lambda: _visibility(actor, new.visibility),
        lambda: _login_user(new.login_user.strip()),
        lambda: _disk(new.min_disk_gib),
        lambda: _memory(new.min_memory_mib),
    )
    columns = ("name", "visibility", "login_user", "min_disk_gib", "min_memory_mib")
    return dict(zip(columns, found, strict=True))


def of_edit(actor: Actor, edit: Edit) -> dict:
    """The columns that `edit` changes. Raises Refused with all that is wrong."""
    checks = {
        "name": lambda name: names.label(name) if name else "",
        "visibility": lambda visibility: _visibility(actor, visibility),
        "format": _format,
        "min_disk_gib": _disk,
        "min_memory_mib": _memory,
        "protected": bool,
        "hidden": bool,
    }
    said = {name: getattr(edit, name) for name in checks if getattr(edit, name) is not None}
    found = all_of(
        *(lambda name=name, value=value: checks[name](value) for name, value in said.items()),
        lambda: checked(Details(properties=edit.properties, tags=edit.tags)),
    )
    return dict(zip(said, found, strict=False)) | found[-1]


def _visibility(actor: Actor, visibility: Visibility) -> Visibility:
    if visibility is Visibility.PUBLIC and not actor.may("images:publish"):
        raise Forbidden(
            "Only administrators of the cloud make images public. Share it with the project.",
            field="visibility",
        )
    return visibility


def _format(name: str) -> str:
    if name not in FORMATS:
        raise Refused(
            "{name} is no format of disks that is taken here: {formats:all} are.",
            name=name[:80],
            formats=list(FORMATS),
            field="format",
        )
    return name


def _login_user(name: str) -> str:
    if name and not LOGIN_USER.fullmatch(name):
        raise Refused(
            "A user name of Linux: [a-z0-9_-], at most 32, not beginning with a digit.",
            field="login_user",
        )
    return name


def _disk(gib: int | None) -> int:
    return _number(gib, config.current().image_max_virtual_gib, "min_disk_gib")


def _memory(mib: int | None) -> int:
    return _number(mib, MOST_MEMORY_MIB, "min_memory_mib")


def _number(number: int | None, most: int, field: str) -> int:
    if number is None or not 0 <= number <= most:
        raise Refused("A whole number from 0 to {most:count}.", most=most, field=field)
    return number
