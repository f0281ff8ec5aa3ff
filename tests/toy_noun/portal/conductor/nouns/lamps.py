"""Lamps, seen from the engine."""

import uuid
from collections.abc import Sequence

from sqlalchemy import select

from portal.changes.lamps import GONE, LIT
from portal.conductor.noun import Noun, Reports
from portal.conductor.repairs import (
    ANSWERS,
    MOST_AT_A_TIME,
    at_present,
    changing,
    count_repair,
    may_be_mended,
    still_due,
)
from portal.db import session
from portal.models import Host, Lamp, Task
from portal.services import lamps
from workers.specs import LampSpec, Observation

UNSETTLED = (
    select(Lamp)
    .join(Host, Host.id == Lamp.host_id)
    .where(
        Lamp.deleted_at.is_(None),
        Lamp.observed_colour != Lamp.colour,
        may_be_mended(Lamp),
        ANSWERS,
        ~changing(Lamp.id),
    )
    .execution_options(populate_existing=True)
)


def _specs(tasks: Sequence[Task]) -> dict[uuid.UUID, LampSpec]:
    return {task.id: _spec(session.get_one(Lamp, task.target_id)) for task in tasks}


def _spec(lamp: Lamp) -> LampSpec:
    return LampSpec(id=str(lamp.id), generation=lamp.generation, colour=lamp.colour)


def _take(reports: Reports) -> None:
    for host, observation in reports:
        _take_one(host, observation)


def _take_one(host: Host, observation: Observation) -> None:
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


def _due() -> list[uuid.UUID]:
    return [lamp.id for lamp in session.scalars(UNSETTLED.limit(MOST_AT_A_TIME), at_present())]


def _mend(lamp_id: uuid.UUID) -> bool:
    lamp = still_due(UNSETTLED, Lamp, lamp_id)
    if lamp is None:
        return False
    count_repair(lamp)
    lamps.repair(lamp)
    return True


NOUN = Noun(
    name="lamps",
    model=Lamp,
    specs={LIT.job: _specs, GONE.job: _specs},
    take=_take,
    fulfilled=_fulfilled,
    due=_due,
    mend=_mend,
)
