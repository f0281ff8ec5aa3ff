"""What lies on hosts and belongs to nothing: shown to the operator, and removed when told to.

A host names such a thing by its kind and its name: "disks <id>", "bridge pbr7". What a row still
wants is none, whatever the host thinks: a guest without its definition keeps its disks.
"""

import re
import uuid
from collections.abc import Iterable

from sqlalchemy import select

from portal.db import session, transaction
from portal.errors import Conflict, Refused
from portal.models import Host, Instance, Network, Operation, Port
from portal.policies import Actor, authorize
from portal.services import activities
from portal.services.operations import open_operation

FOREIGN = "domain "  # a guest that bears our name but not our mark: shown, never touched
ID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$")
SEGMENT = re.compile(r"^(?:bridge|leg) [a-z]+(\d{1,8})$")
TAP = re.compile(r"^tap ptap([0-9a-f]{11})$")  # what a tap's name has of the id of its port


def unwanted(strangers: Iterable[str]) -> list[str]:
    """Those that belong to no instance, network or port that there is, in their order."""
    strangers = list(strangers)
    ids = {uuid.UUID(each) for each in _found(ID, strangers)}
    segments = {int(each) for each in _found(SEGMENT, strangers)}
    instances = _said(Instance.id, Instance.id.in_(ids), Instance.deleted_at.is_(None))
    networks = _said(Network.id, Network.id.in_(ids))
    wanted = {
        ID: instances | networks,
        SEGMENT: _said(Network.segment_id, Network.segment_id.in_(segments)),
        TAP: {each.replace("-", "")[:11] for each in _said(Port.id)}
        if _found(TAP, strangers)
        else set(),
    }
    return [
        each
        for each in strangers
        if not removable(each)
        or not any(_found(pattern, [each]) & names for pattern, names in wanted.items())
    ]


def removable(stranger: str) -> bool:
    """Whether it bears our mark, so that it may be removed."""
    return not stranger.startswith(FOREIGN)


def remove(actor: Actor, host_id: uuid.UUID, shown: Iterable[str]) -> Operation:
    """The host is being told to remove, of the strangers that were `shown`, what is ours and
    still unwanted when it is told. Raises Conflict when the host does not answer."""
    authorize(actor, "hosts:clean")
    shown = [each for each in shown if removable(each)]
    with transaction():
        host = session.get_one(Host, host_id)
        if not shown:
            raise Refused(f"There is nothing on {host.name} that may be removed.")
        if host.dark:
            raise Conflict(f"{host.name} does not answer. Start its worker and agent first.")
        operation = open_operation(actor, host, "clean", before={"strangers": shown})
        activities.record(
            actor, "hosts:clean", host, before={"strangers": shown}, operation=operation
        )
    return operation


def named(operation: Operation) -> list[str]:
    """What the operator was shown and wants gone."""
    return operation.before["strangers"]


def _found(pattern: re.Pattern, strangers: list[str]) -> set[str]:
    """What the pattern finds in them."""
    return {found[1] for each in strangers if (found := pattern.search(each))}


def _said(column, *conditions) -> set[str]:
    """What is in the column, as text."""
    return {str(each) for each in session.scalars(select(column).where(*conditions))}
