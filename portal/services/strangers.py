"""What lies on hosts and belongs to nothing: shown to the operator, and removed when told to.

A host says of such a thing what it belonged to. What a row still wants is none, whatever the host
thinks: a guest without its definition keeps its disks.
"""

import contextlib
import uuid
from collections.abc import Iterable

from sqlalchemy import select

from portal.changes.hosts import STRANGERS_GONE
from portal.changes.networks import NETWORK_TABLE
from portal.db import session, transaction
from portal.errors import Conflict, Refused
from portal.models import Host, Instance, Network, Operation, Port
from portal.policies import Actor, authorize
from portal.services import activities
from portal.services.operations import Part, open_operation
from workers import specs
from workers.specs import Observation, Stranger

FOREIGN = "domain"  # a guest that bears our name but not our mark: shown, never touched
SEGMENTS = {"bridge", "leg"}  # what belongs to a segment
TAP = "tap"  # what belongs to a port: its name has 11 digits of the id


def on(host: Host) -> list[Stranger]:
    """What the host reported last of such things."""
    return [Stranger(**each) for each in host.strangers]


def reported(observation: Observation) -> list[Stranger]:
    """Everything that a host names, but for what it holds for those who want it."""
    held = [
        *(("guest", each.id) for each in observation.guests),
        *(("network", each.id) for each in observation.held if each.kind == NETWORK_TABLE),
    ]
    return among(
        [
            *(Stranger(kind=kind, name=name, owner=name) for kind, name in held),
            *observation.host.strangers,
        ]
    )


def among(candidates: Iterable[Stranger]) -> list[Stranger]:
    """What belongs to no instance, network or port that there is, in their order."""
    candidates = list(candidates)
    ids = {owner for each in candidates if (owner := _id(each))}
    segments = {int(each.owner) for each in candidates if each.kind in SEGMENTS and each.owner}
    taps = any(each.kind == TAP for each in candidates)
    owners = _said(Instance.id, Instance.id.in_(ids), Instance.deleted_at.is_(None))
    owners |= _said(Network.id, Network.id.in_(ids))
    numbers = _said(Network.segment_id, Network.segment_id.in_(segments))
    ports = {each.replace("-", "")[:11] for each in _said(Port.id)} if taps else set()

    def belongs(stranger: Stranger) -> bool:
        if stranger.kind in SEGMENTS:
            return stranger.owner in numbers
        return stranger.owner in (ports if stranger.kind == TAP else owners)

    return [each for each in candidates if not removable(each) or not belongs(each)]


def removable(stranger: Stranger) -> bool:
    """Whether the stranger bears our mark, so that it may be removed."""
    return stranger.kind != FOREIGN


def remove(actor: Actor, host_id: uuid.UUID, shown: Iterable[Stranger]) -> Operation:
    """The host is being told to remove, of the strangers that were `shown`, what is ours and
    still a stranger when it is told. Raises Conflict when the host does not answer."""
    authorize(actor, "hosts:clean")
    shown = [each for each in shown if removable(each)]
    with transaction():
        host = session.get_one(Host, host_id)
        if not shown:
            raise Refused("There is nothing on {host} that may be removed.", host=host.name)
        if host.dark:
            raise Conflict(
                "{host} does not answer. Start its worker and agent first.", host=host.name
            )
        named = [specs.dump(each) for each in shown]
        operation = open_operation(
            actor,
            host,
            "clean",
            {STRANGERS_GONE.job: [Part(host.id, host.id)]},
            before={"strangers": named},
        )
        words = [str(each) for each in shown]
        activities.record(
            actor, "hosts:clean", host, before={"strangers": words}, operation=operation
        )
    return operation


def named(operation: Operation) -> list[Stranger]:
    """What the operator was shown and wants gone."""
    return [Stranger(**each) for each in operation.before["strangers"]]


def _id(stranger: Stranger) -> uuid.UUID | None:
    """The id of the instance or network that a stranger says it belongs to."""
    with contextlib.suppress(ValueError):
        return uuid.UUID(stranger.owner)
    return None


def _said(column, *conditions) -> set[str]:
    """What a column holds under these conditions, as text."""
    return {str(each) for each in session.scalars(select(column).where(*conditions))}
