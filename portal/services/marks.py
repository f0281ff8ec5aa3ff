"""A thing's mark: another as soon as somebody has changed what it shall be.

What its host says of it, and when, is no part of the mark, so whoever looks, thinks and then
changes it is stopped by another person's change alone.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Collection

from sqlalchemy import select

from portal.db import Base, guard, session
from portal.errors import Refused
from portal.models import Image, Instance, Network, Port, Project, SecurityGroup, Subnet, User

WISHES = {  # what somebody decides of a thing, by its columns
    Instance: ("name", "description", "properties", "tags", "locked", "desired", "boots"),
    Image: (
        *("name", "description", "properties", "tags", "visibility", "protected"),
        *("login_user", "min_disk_gib", "min_memory_mib"),
    ),
    Network: ("name", "description", "tags", "mtu", "nat"),
    Subnet: ("name", "description", "gateway"),
    Port: ("name", "description", "admin_up", "owner_id"),
    SecurityGroup: ("name", "description"),
    Project: ("name", "description", "enabled"),
    User: ("name", "description", "enabled"),
}


class Changed(Refused):
    """Somebody has changed the thing since it was looked at."""

    status = 412


def mark(thing: Base) -> str:
    """The mark of this thing as it is."""
    wishes = [getattr(thing, name) for name in WISHES[type(thing)]]
    text = json.dumps([str(thing.id), *wishes], default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def change_only(model: type[Base], thing_id: uuid.UUID, marks: Collection[str]) -> None:
    """The next change in this request is made only if the thing bears one of these marks at that
    moment, and nobody changes it in between; otherwise it ends in Changed. Whatever else it would
    be refused for is said first."""
    guard(lambda: _locked(model, thing_id, marks))


def _locked(model: type[Base], thing_id: uuid.UUID, marks: Collection[str]) -> Callable[[], None]:
    query = select(model).where(model.id == thing_id).with_for_update(of=model)
    thing = session.scalar(query.execution_options(populate_existing=True))
    fits = thing is not None and mark(thing) in marks

    def confirm() -> None:
        if not fits:
            raise Changed(
                "Somebody has changed it since you looked. Look again, and send what you want of "
                "what is there now."
            )

    return confirm
