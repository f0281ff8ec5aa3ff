"""What a wish for an instance means where it names things as programs do, or not at all."""

import uuid
from collections.abc import Sequence

from sqlalchemy import select

from portal.db import session
from portal.errors import Conflict, Refused
from portal.models import Flavor, KeyPair, Network, SecurityGroup
from portal.policies import Actor, authorize
from portal.services import finding, security_groups


def only_network(actor: Actor, project_id: uuid.UUID, *, needed: bool = False) -> uuid.UUID | None:
    """The network that is meant where none is named: the one that the project has, or none where
    it has none. Raises Conflict where there are several, and Refused where one is `needed`."""
    authorize(actor, "instances:create", project_id)
    mine = (Network.project_id == project_id, Network.deleted_at.is_(None))
    found = list(session.scalars(select(Network.id).where(*mine).limit(2)))
    if len(found) > 1:
        raise Conflict(
            "Multiple possible networks found, use a Network ID to be more specific.",
            field="network_id",
        )
    if not found and needed:
        raise Refused("The project has no network. Make one first.", field="network_id")
    return found[0] if found else None


def flavor(key: str) -> uuid.UUID | None:
    """The id of the flavor that programs name so, by an id or by an address that ends in one; None
    where there is none."""
    key = key.rstrip("/").rpartition("/")[2]
    known = select(Flavor.id).where(Flavor.chosen_id == key)
    return finding.as_id(key) or session.scalar(known)


def key_pair(actor: Actor, name: str) -> uuid.UUID:
    """The actor's own key of this name. Raises Refused."""
    mine = (KeyPair.user_id == actor.user_id, KeyPair.name == name)
    found = session.scalar(select(KeyPair.id).where(*mine))
    if found is None:
        raise Refused("Invalid key_name provided.", field="key_pair_id")
    return found


def groups(actor: Actor, project_id: uuid.UUID, named: Sequence[str]) -> tuple[uuid.UUID, ...]:
    """The project's security groups of these names or ids; where none is named, the default one.
    Raises Refused for one that is not there, or that is not the only one of its name."""
    mine = security_groups.of_project(actor, project_id)
    return tuple(dict.fromkeys(_group(mine, each) for each in named or [security_groups.DEFAULT]))


def matching(mine: list[SecurityGroup], name: str) -> list[uuid.UUID]:
    """The ids of those of these groups that are meant by an id or a name."""
    found = [each.id for each in mine if str(each.id) == name]
    return found or [each.id for each in mine if each.name == name]


def _group(mine: list[SecurityGroup], name: str) -> uuid.UUID:
    found = matching(mine, name)
    if not found:
        raise Refused("Security group {name} not found.", name=name, field="group_ids")
    if len(found) > 1:
        raise Refused(
            "Multiple security groups found matching '{name}'. Use an ID to be more specific.",
            name=name,
            field="group_ids",
        )
    return found[0]
