"""What clients call the roles. A token's `admin` is taken for the cloud's, so whoever administers
one project is its `manager`, and `admin` in a project administers the whole cloud as well; each
role implies those before it."""

import uuid
from collections.abc import Iterable

from portal.api import faults, wire
from portal.errors import NotFound, Refused
from portal.models import Role, RoleAssignment
from portal.services.grants import Level

NAMES = {  # weakest first: the role in a project, and whether it is the cloud's too
    "reader": (Role.READER, False),
    "member": (Role.MEMBER, False),
    "manager": (Role.ADMIN, False),
    "admin": (Role.ADMIN, True),
}
IDS = {name: uuid.uuid5(uuid.NAMESPACE_URL, f"portico:role {name}") for name in NAMES}


def name(role: Role, *, of_cloud: bool = False) -> str:
    """What clients call a role in a project, or, `of_cloud`, the one in all of it."""
    if of_cloud and role is Role.ADMIN:
        return "admin"
    return next(each for each, (ours, _) in NAMES.items() if ours is role)


def implied(name: str) -> list[str]:
    """The role of this name, and those that it implies, strongest first."""
    names = list(NAMES)
    return names[names.index(name) :: -1]


def strongest(named: Iterable[dict]) -> str:
    """The name of the strongest of these, each {"id": ...} or {"name": ...}. Raises Fault, 400,
    for one that there is not."""
    names = list(NAMES)
    return max(map(_named, named), key=names.index)


def of_id(role_id: uuid.UUID) -> str | None:
    """The name of the role of this id; None for one that there is not."""
    return next((each for each, id_ in IDS.items() if id_ == role_id), None)


def level(role_id: uuid.UUID) -> Level:
    """The role that this id means, where it is given. Raises NotFound for none."""
    found = of_id(role_id)
    if found is None:
        raise NotFound("There is no such role.")
    return Level(*NAMES[found])


def in_cloud(role_id: uuid.UUID) -> Level:
    """The role that this id means in the whole cloud. Raises NotFound for none, and Refused for
    the one that there is in projects alone."""
    wanted = level(role_id)
    if wanted == Level(Role.ADMIN):
        raise Refused("manager is a role in a project. Who looks after the whole cloud is admin.")
    return Level(wanted.role)


def of(held: RoleAssignment) -> str:
    """What clients call a role that was given."""
    return name(held.role, of_cloud=held.in_cloud)


def _named(said: dict) -> str:
    id_ = wire.as_id(said.get("id"))
    found = of_id(id_) if id_ else said.get("name")
    if found not in NAMES:
        raise faults.bad(f"There is no such role. There are {', '.join(NAMES)}.")
    return found


def brief(name: str) -> dict:
    """A role as it stands in a token."""
    return {"id": IDS[name].hex, "name": name}
