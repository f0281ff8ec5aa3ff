"""Boot logs: what hosts are to tell of their guests' serial ports when somebody wants to know."""

import uuid
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import bindparam, select

from portal.conductor.moments import move
from portal.conductor.noun import Beats, Noun, Question
from portal.conductor.wire import Address, Fate
from portal.db import now, session
from portal.models import BootLog, Host, Instance
from portal.models.boot_log import PATIENCE
from portal.services.instances import boot_logs
from workers.specs import BootLogSpec

WANTED = (
    select(
        BootLog.id,
        BootLog.instance_id,
        BootLog.wanted_at,
        Host.id.label("host_id"),
        Host.name,
        Host.sealed_key,
    )
    .join(Instance, Instance.id == BootLog.instance_id)
    .join(Host, Host.id == Instance.host_id)
    .where(BootLog.wanted_at <= bindparam("moment"))
    .order_by(BootLog.wanted_at)
)


def spec(instance_id: uuid.UUID) -> BootLogSpec:
    """Has a host say what the guest wrote to its serial port."""
    return BootLogSpec(id=str(instance_id), generation=1)


def _questions(_beats: Beats) -> Iterable[Question]:
    """What somebody waits for, the oldest wish first."""
    for row in session.execute(WANTED, {"moment": now()}):
        yield Question(
            about=row.id,
            host=Address(row.host_id, row.name, row.sealed_key),
            job="instances.observe_log",
            spec=spec(row.instance_id),
            mark=row.wanted_at,
            until=row.wanted_at + PATIENCE,
        )


def _answered(question: Question, fate: Fate) -> None:
    """Written down, unless the instance is gone or somebody has wanted another since."""
    log = session.get(BootLog, question.about, populate_existing=True)
    if log is None or log.wanted_at != question.mark:
        return
    answer = fate.observation and fate.observation.boot_log
    if answer and answer.id == str(log.instance_id):
        boot_logs.keep(log, answer.text)
    else:
        boot_logs.give_up(log, fate.reason or "the host's answer is about something else")


def _clock_set(moved: timedelta) -> None:
    move(BootLog, ("wanted_at",), BootLog.wanted_at.is_not(None), by=moved)


NOUN = Noun(
    name="boot_logs", specs={}, questions=_questions, answered=_answered, clock_set=_clock_set
)
