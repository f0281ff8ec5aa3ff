"""Hypervisors, as administrators steer them."""

import dataclasses
import re
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Row, exists, select, text
from sqlalchemy.orm import joinedload

from portal import keys
from portal.changes import WORDS
from portal.db import now, session, transaction
from portal.errors import Conflict, Refused
from portal.models import Activity, Host, Instance, Network, Operation, Scope, Task
from portal.models.scope import UNSETTLED
from portal.policies import Actor, authorize
from portal.services import activities, finding, scopes

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
REPORT, TOLD_AGAIN = "hosts:report", timedelta(hours=1)
PORTICO = Actor(user_id=None, user_name="Portico itself")
COMMANDS = ("nft ", "iptables-legacy ", "sysctl ")  # how a mend begins that is to be typed
MOST_SHOWN = 500  # instances, or tables, on the page of a host


@dataclasses.dataclass(frozen=True)
class StaleTable:
    """A table that a host does not hold as it is wanted."""

    words: str  # what the host shall do
    name: str  # of what it is a table of, if that has one
    under_way: bool  # whether the host is being told
    reason: str  # why it failed the last time, if it did
    repair_at: datetime | None  # not before


def add(actor: Actor, name: str, *, driver: str = "libvirt") -> str:
    """The host is known. Returns the key that it needs in its settings; it is shown only here."""
    authorize(actor, "hosts:change")
    if not NAME.fullmatch(name):
        raise Refused("A host's name is [a-z0-9-], at most 32, and begins and ends with [a-z0-9].")
    key, sealed = keys.new_host_key()
    with transaction():
        if session.scalar(select(Host.id).where(Host.name == name)):
            raise Conflict("There is a host named {name} already.", name=name)
        host = Host(name=name, driver=driver, sealed_key=sealed)
        session.add(host)
        session.flush()
        activities.record(actor, "hosts:create", host, after={"driver": driver})
    return key


def is_typed(mend: str) -> bool:
    """Whether what mends an obstacle is a command, for root on the host; else it is advice."""
    return mend.startswith(COMMANDS)


def every(actor: Actor) -> list[Host]:
    """All hosts, by name."""
    authorize(actor, "hosts:read")
    return list(session.scalars(select(Host).order_by(Host.name)))


def find(actor: Actor, name_or_id: uuid.UUID | str) -> Host:
    """The host. Raises NotFound."""
    return finding.find(actor, Host, name_or_id)


def enable(actor: Actor, host_id: uuid.UUID, *, enabled: bool, reason: str = "") -> Host:
    """The host gets, or no longer gets, new instances. Those on it go on."""
    authorize(actor, "hosts:change")
    with transaction():
        host = find(actor, host_id)
        before = {"enabled": host.enabled, "reason": host.disabled_reason}
        host.enabled, host.disabled_reason = enabled, "" if enabled else reason.strip()[:255]
        activities.record(
            actor,
            "hosts:enable" if enabled else "hosts:disable",
            host,
            before=before,
            after={"enabled": enabled, "reason": host.disabled_reason},
        )
    return host


def instances(actor: Actor, host_id: uuid.UUID) -> list[Instance]:
    """What is placed on the host, of all projects, by name."""
    authorize(actor, "hosts:read")
    return list(
        session.scalars(
            select(Instance)
            .where(Instance.host_id == host_id, Instance.deleted_at.is_(None))
            .options(
                joinedload(Instance.project),
                joinedload(Instance.open_operation),
                joinedload(Instance.end_of_project).load_only(Operation.action),
            )
            .order_by(Instance.name, Instance.id)
            .limit(MOST_SHOWN)
        )
    )


def guests_on(host_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[Row]]:
    """Id and name of what is placed on each of these hosts, by name."""
    found: dict[uuid.UUID, list[Row]] = {each: [] for each in host_ids}
    rows = session.execute(
        select(Instance.id, Instance.name, Instance.host_id)
        .where(Instance.host_id.in_(found), Instance.deleted_at.is_(None))
        .order_by(Instance.name, Instance.id)
    )
    for row in rows:
        found[row.host_id].append(row)
    return found


def tell_of(host: Host, obstacles: list[list[str]]) -> None:
    """What the host reports now and did not before is in the record, once an hour at the most,
    whatever its numbers and times. Called by the conductor, inside its transaction."""
    if not obstacles:
        return
    known = {_kind_of(what) for what, _ in host.obstacles}
    news = {_kind_of(what): (what, mend) for what, mend in obstacles}
    news = {kind: told for kind, told in news.items() if kind not in known}
    if not news:
        return
    told_lately = session.scalars(
        select(Activity.after).where(
            Activity.target_id == host.id,
            Activity.action == REPORT,
            Activity.created_at > now() - TOLD_AGAIN,
        )
    )
    for kind in {_kind_of(after["found"]) for after in told_lately}:
        news.pop(kind, None)
    for what, mend in news.values():
        activities.record(PORTICO, REPORT, host, after={"found": what, "advice": mend})


def _kind_of(what: str) -> str:
    return re.sub(r"\d+", "0", what)


def stale_tables(actor: Actor, host_id: uuid.UUID) -> list[StaleTable]:
    """The tables that the host does not hold as they are wanted, longest first."""
    authorize(actor, "hosts:read")
    told = select(Task.reason).where(Task.scope_id == Scope.id).limit(1)
    rows = session.execute(
        select(
            Network.name,
            Scope.kind,
            Scope.needed,
            Scope.repair_at,
            exists()
            .where(Task.scope_id == Scope.id, Task.finished_at.is_(None))
            .label("under_way"),
            told.where(Task.reason != "")
            .order_by(Task.created_at.desc())
            .scalar_subquery()
            .label("reason"),
        )
        .select_from(Scope)
        .outerjoin(Network, Network.id == Scope.target_id)
        .where(Scope.host_id == host_id, text(f"({UNSETTLED})"))
        .order_by(Scope.updated_at)
        .limit(MOST_SHOWN)
    )
    return [
        StaleTable(
            words=WORDS[scopes.job_of(row.kind, needed=row.needed)],
            name=row.name or "",
            under_way=row.under_way,
            reason=row.reason or "",
            repair_at=row.repair_at,
        )
        for row in rows
    ]
