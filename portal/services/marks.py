"""A thing's mark: another as soon as somebody has changed what it shall be.

What its host says of it, and when, is no part of the mark, so whoever looks, thinks and then
changes it is stopped by another person's change alone.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Collection

from sqlalchemy import Select, null, select

from portal.db import Base, guard, session
from portal.errors import Refused
from portal.models import Image, Instance, Network, Port, Project, SecurityGroup, Subnet, User
from portal.services import quotas

WISHES = {  # what somebody decides of a thing, by its columns, and of what belongs to it
    Instance: (
        *("name", "description", "properties", "tags", "desired", "boots"),
        *("locked", "locked_by_admins", "locked_reason", "access_ipv4", "access_ipv6"),
    ),
    Image: (
        *("name", "description", "properties", "tags", "visibility", "protected"),
        *("login_user", "min_disk_gib", "min_memory_mib", "format", "hidden", "deactivated"),
    ),
    Network: ("name", "description", "properties", "tags", "mtu", "nat"),
    Subnet: (
        *("name", "description", "tags", "gateway", "routed", "dhcp", "pools"),
        *("dns_nameservers", "host_routes"),
    ),
    Port: ("name", "description", "tags", "admin_up", "owner_id", "addresses", "groups"),
    SecurityGroup: ("name", "description", "rules"),
    Project: ("name", "description", "enabled", "tags"),
    User: ("name", "description", "enabled", "email", "default_project_id", "project_note"),
}


class Changed(Refused):
    """Somebody has changed the thing since it was looked at."""

    status = 412


def mark(thing: Base) -> str:
    """The mark of this thing as it is."""
    wishes = [_plain(getattr(thing, name)) for name in WISHES[type(thing)]]
    text = json.dumps([str(thing.id), *wishes], default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def change_only(model: type[Base], thing_id: uuid.UUID, marks: Collection[str]) -> None:
    """The next change in this request is made only if the thing bears one of these marks at that
    moment, and nobody changes it in between; otherwise it ends in Changed. Whatever else it would
    be refused for is said first."""
    guard(lambda: _locked(model, thing_id, marks))


def _plain(value):
    """A value that stands for itself, and for things that belong to a thing their ids."""
    if isinstance(value, list) and value and isinstance(value[0], Base):
        return sorted(str(each.id) for each in value)
    return value


def _locked(model: type[Base], thing_id: uuid.UUID, marks: Collection[str]) -> Callable[[], None]:
    if project_id := session.scalar(_project_of(model, thing_id)):
        quotas.lock(project_id)  # first, as whoever locks both does
    query = select(model).where(model.id == thing_id)
    query = query.with_for_update(of=model, key_share=model in (Project, User))
    thing = session.scalar(query.execution_options(populate_existing=True))
    fits = thing is not None and mark(thing) in marks

    def confirm() -> None:
        if not fits:
            raise Changed(
                "Somebody has changed it since you looked. Look again, and send what you want of "
                "what is there now."
            )

    return confirm


def _project_of(model: type[Base], thing_id: uuid.UUID) -> Select:
    """The query for the id of the project that the thing is in, if it is in one."""
    if model in (Port, Subnet):
        return select(Network.project_id).join(model).where(model.id == thing_id)
    if model is User:
        return select(null())
    column = Project.id if model is Project else model.project_id
    return select(column).where(model.id == thing_id)
