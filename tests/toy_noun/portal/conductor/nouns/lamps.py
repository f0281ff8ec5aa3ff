"""Lamps, seen from the engine."""

import uuid

from sqlalchemy import Select, or_, select

from portal.changes.lamps import GONE, LIT
from portal.conductor.noun import Noun
from portal.conductor.repairs import MOST_AT_A_TIME, answers, changing, count_repair, still_due
from portal.db import now, session
from portal.models import Host, Lamp, Task
from portal.services import lamps
from workers.specs import LampSpec, Observation


def _spec(task: Task) -> LampSpec:
    lamp = session.get_one(Lamp, task.target_id)
    return LampSpec(id=str(lamp.id), generation=lamp.generation, colour=lamp.colour)


def _take(host: Host, observation: Observation) -> None:
    lit, absent = dict(observation.lamps), set(observation.absent)
    here = select(Lamp).where(Lamp.host_id == host.id, Lamp.deleted_at.is_(None))
    if observation.everything:
        here = here.where(~changing(Lamp.id))
    for lamp in session.scalars(here):
        named = observation.everything or str(lamp.id) in lit.keys() | absent
        if not named or not lamp.older_than(observation.boot_id, observation.sequence):
            continue
        lamp.observed_colour = lit.get(str(lamp.id), "")
        lamp.observed_boot_id = observation.boot_id
        lamp.observed_sequence = observation.sequence
        if not lamp.colour and not lamp.observed_colour:
            lamps.bury(lamp)


def _fulfilled(task: Task) -> str:
    lamp = session.get_one(Lamp, task.target_id)
    return "" if lamp.observed_colour == lamp.colour else f"it is {lamp.observed_colour or 'dark'}"


def _unsettled() -> Select:
    return (
        select(Lamp)
        .join(Host, Host.id == Lamp.host_id)
        .where(
            Lamp.deleted_at.is_(None),
            Lamp.observed_colour != Lamp.colour,
            or_(Lamp.repair_at.is_(None), Lamp.repair_at <= now()),
            answers(now()),
            ~changing(Lamp.id),
        )
        .execution_options(populate_existing=True)
    )


def _due() -> list[uuid.UUID]:
    return [lamp.id for lamp in session.scalars(_unsettled().limit(MOST_AT_A_TIME))]


def _mend(lamp_id: uuid.UUID) -> bool:
    lamp = still_due(_unsettled(), Lamp, lamp_id)
    if lamp is None:
        return False
    count_repair(lamp)
    lamps.repair(lamp)
    return True


NOUN = Noun(
    name="lamps",
    model=Lamp,
    specs={LIT.job: _spec, GONE.job: _spec},
    take=_take,
    fulfilled=_fulfilled,
    due=_due,
    mend=_mend,
)
