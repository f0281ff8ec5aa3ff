"""For which project something is made that a program asks for."""

import uuid
from collections.abc import Mapping

from portal.api import faults, wire
from portal.api.lists import NEVER
from portal.policies import Actor


def named(actor: Actor, wish: Mapping) -> uuid.UUID:
    """The project that a wish names, by either of two keys, or else the one that the token is for.
    Raises Fault, 400, where neither says one."""
    owner = wish.get("project_id") or wish.get("tenant_id")
    project_id = (wire.as_id(owner) or NEVER) if owner else actor.project_id
    if project_id is None:
        raise faults.bad("This token is for the whole cloud: say for which project, by project_id.")
    return project_id
