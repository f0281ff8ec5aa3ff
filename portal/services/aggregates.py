"""Aggregates: hosts that have something in common, and the zones that they make.

The zone of a host is that of its aggregates, copied to its row in the same transaction. Whoever
changes aggregates locks all hosts, so that no instance is placed by a zone that is just ending.
"""

import uuid
from collections.abc import Mapping

from sqlalchemy import delete as delete_rows
from sqlalchemy import exists, func, select

from portal.db import now, session, transaction
from portal.errors import Conflict, NotFound, Refused
from portal.models import Aggregate, AggregateHost, Host, Instance, Power
from portal.models.host import DEFAULT_ZONE
from portal.policies import Actor, authorize
from portal.services import activities, details, finding, names

NOTHING: Mapping = {}


def every(actor: Actor) -> list[Aggregate]:
    """All aggregates with their hosts, by name."""
    authorize(actor, "aggregates:read")
    return list(session.scalars(select(Aggregate).order_by(Aggregate.name)))


def of_host(actor: Actor, host_id: uuid.UUID) -> list[Aggregate]:
    """The aggregates that the host is in, by name."""
    authorize(actor, "aggregates:read")
    within = exists().where(
        AggregateHost.aggregate_id == Aggregate.id, AggregateHost.host_id == host_id
    )
    return list(session.scalars(select(Aggregate).where(within).order_by(Aggregate.name)))


def find(actor: Actor, name_or_id: uuid.UUID | str) -> Aggregate:
    """The aggregate. Raises NotFound."""
    return finding.find(actor, Aggregate, name_or_id)


def create(actor: Actor, name: str, zone: str = "") -> Aggregate:
    """There is such an aggregate, without hosts."""
    authorize(actor, "aggregates:change")
    label, zone = names.label(name), _zone(zone)
    with transaction():
        _refuse_taken(label)
        aggregate = Aggregate(name=label, zone=zone)
        session.add(aggregate)
        session.flush()
        activities.record(actor, "aggregates:create", aggregate, after={"zone": zone})
    return aggregate


def change(
    actor: Actor,
    aggregate_id: uuid.UUID,
    *,
    name: str | None = None,
    zone: str | None = None,
    properties: Mapping[str, str | None] = NOTHING,
) -> Aggregate:
    """The aggregate has this name, puts its hosts into this zone, "" into none, and has these
    properties, without those that are None here; what is not given stays as it is. Raises Conflict
    where instances, or another aggregate, hold a host to another zone."""
    authorize(actor, "aggregates:change")
    label = None if name is None else names.label(name)
    wanted = None if zone is None else _zone(zone)
    with transaction():
        _lock_hosts()
        aggregate = _get(aggregate_id)
        before = _told(aggregate)
        if label is not None and label != aggregate.name:
            _refuse_taken(label)
            aggregate.name = label
        kept = aggregate.properties | dict(properties)
        kept = {key: value for key, value in kept.items() if value is not None}
        aggregate.properties = details.checked(details.Details(properties=kept))["properties"]
        aggregate.updated_at = now()
        if wanted is not None:
            aggregate.zone = wanted
            _rezone()
        activities.record(
            actor, "aggregates:change", aggregate, before=before, after=_told(aggregate)
        )
    return aggregate


def delete(actor: Actor, aggregate_id: uuid.UUID) -> None:
    """The aggregate is gone. Raises Conflict while hosts are in it."""
    authorize(actor, "aggregates:change")
    with transaction():
        _lock_hosts()
        aggregate = _get(aggregate_id)
        if aggregate.hosts:
            raise Conflict(
                "{aggregate} has {hosts:all} in it. Remove them first.",
                aggregate=aggregate.name,
                hosts=[each.name for each in aggregate.hosts],
            )
        activities.record(actor, "aggregates:delete", aggregate, before={"zone": aggregate.zone})
        session.delete(aggregate)


def add_host(actor: Actor, aggregate_id: uuid.UUID, host: uuid.UUID | str | None) -> Aggregate:
    """The host (its name, or its id) is in the aggregate, and in its zone if it has one. Raises
    Conflict where it is in it already, or is held to another zone."""
    authorize(actor, "aggregates:change")
    if host is None:
        raise Refused("Choose a host from the list.", field="host_id")
    with transaction():
        _lock_hosts()
        aggregate, found = _get(aggregate_id), finding.find(actor, Host, host)
        if found in aggregate.hosts:
            raise Conflict(
                "{host} is in {aggregate} already.", host=found.name, aggregate=aggregate.name
            )
        session.add(AggregateHost(aggregate_id=aggregate.id, host_id=found.id))
        _rezone()
        activities.record(actor, "aggregates:add_host", aggregate, after={"host": found.name})
        session.refresh(aggregate, ["hosts"])
    return aggregate


def remove_host(actor: Actor, aggregate_id: uuid.UUID, host: uuid.UUID | str) -> Aggregate:
    """The host is not in the aggregate any more, nor in its zone. Raises NotFound where it was not
    in it."""
    authorize(actor, "aggregates:change")
    with transaction():
        _lock_hosts()
        aggregate, found = _get(aggregate_id), finding.find(actor, Host, host)
        if found not in aggregate.hosts:
            raise NotFound(
                "{host} is not in {aggregate}.", host=found.name, aggregate=aggregate.name
            )
        session.execute(
            delete_rows(AggregateHost).where(
                AggregateHost.aggregate_id == aggregate.id, AggregateHost.host_id == found.id
            )
        )
        _rezone()
        activities.record(actor, "aggregates:remove_host", aggregate, before={"host": found.name})
        session.refresh(aggregate, ["hosts"])
    return aggregate


def put_into_zone(actor: Actor, host_id: uuid.UUID, zone: str) -> Host:
    """The host is in this zone: in an aggregate that makes it, which is made if there is none, and
    in no aggregate of another zone. DEFAULT_ZONE is that of hosts without such an aggregate."""
    authorize(actor, "aggregates:change")
    zone = _zone(zone) or DEFAULT_ZONE
    with transaction():
        _lock_hosts()
        host = finding.find(actor, Host, host_id)
        before = host.zone
        if before == zone:
            return host
        others = select(Aggregate.id).where(Aggregate.zone != "", Aggregate.zone != zone)
        session.execute(
            delete_rows(AggregateHost).where(
                AggregateHost.host_id == host.id, AggregateHost.aggregate_id.in_(others)
            )
        )
        if zone != DEFAULT_ZONE:
            session.add(AggregateHost(aggregate_id=_making(zone).id, host_id=host.id))
        _rezone()
        activities.record(
            actor, "hosts:put_into_zone", host, before={"zone": before}, after={"zone": zone}
        )
    return host


def zones() -> dict[str, list[Host]]:
    """The hosts of every zone, by its name."""
    found: dict[str, list[Host]] = {}
    for host in session.scalars(select(Host).order_by(Host.zone, Host.name)):
        found.setdefault(host.zone, []).append(host)
    return found or {DEFAULT_ZONE: []}


def _told(aggregate: Aggregate) -> dict:
    """What the record says of an aggregate."""
    return {name: getattr(aggregate, name) for name in ("name", "zone", "properties")}


def _making(zone: str) -> Aggregate:
    """An aggregate that makes the zone: the oldest, or a new one of the same name."""
    makers = select(Aggregate).where(Aggregate.zone == zone)
    found = session.scalars(makers.order_by(Aggregate.created_at, Aggregate.id)).first()
    if found is None:
        _refuse_taken(zone)
        found = Aggregate(name=zone, zone=zone)
        session.add(found)
        session.flush()
    return found


def _lock_hosts() -> None:
    session.scalars(select(Host).order_by(Host.id).with_for_update(key_share=True)).all()


def _rezone() -> None:
    """The rows of hosts say in which zone their aggregates put them. Raises Conflict where two
    say different things, or where an instance asked for the zone that its host would leave."""
    session.flush()
    rows = session.execute(
        select(AggregateHost.host_id, Aggregate.zone)
        .join(Aggregate, Aggregate.id == AggregateHost.aggregate_id)
        .where(Aggregate.zone != "")
        .distinct()
    ).all()
    zones: dict[uuid.UUID, set[str]] = {}
    for host_id, zone in rows:
        zones.setdefault(host_id, set()).add(zone)
    for host in session.scalars(select(Host).order_by(Host.name)):
        wanted = sorted(zones.get(host.id, {DEFAULT_ZONE}))
        if len(wanted) > 1:
            raise Conflict(
                "{host} would be in the zones {zones:all}, and a host is in one. Take it out of "
                "an aggregate first.",
                host=host.name,
                zones=wanted,
            )
        if wanted != [host.zone]:
            _refuse_leaving(host)
            host.zone = wanted[0]
    session.flush()


def _refuse_leaving(host: Host) -> None:
    bound = session.scalar(
        select(func.count()).where(
            Instance.host_id == host.id,
            Instance.zone == host.zone,
            Instance.desired != Power.ABSENT,
        )
    )
    if bound:
        raise Conflict(
            "1 instance on {host} asked for the zone {zone}, so the host stays in it. Delete the "
            "instance first."
            if bound == 1
            else "{bound} instances on {host} asked for the zone {zone}, so the host stays in it. "
            "Delete these first.",
            bound=bound,
            host=host.name,
            zone=host.zone,
        )


def _refuse_taken(name: str) -> None:
    if session.scalar(select(Aggregate.id).where(Aggregate.name == name)):
        raise Conflict("There is an aggregate named {name} already.", name=name, field="name")


def _get(aggregate_id: uuid.UUID) -> Aggregate:
    found = session.get(Aggregate, aggregate_id)
    if found is None:
        raise NotFound.saying(finding.KINDS[Aggregate].missing)
    return found


def _zone(text: str) -> str:
    """The name of a zone, "" for none. Raises Refused."""
    if not text.strip():
        return ""
    zone = names.label(text, field="zone")
    if ":" in zone:
        raise Refused("The name of a zone has no colon.", field="zone")
    return zone
