"""Hosts: what they are and have, and what lies about on them."""

import logging
import uuid
from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import select

from portal.changes.hosts import STRANGERS_GONE
from portal.conductor.noun import Beats, Noun, Question, Reports
from portal.conductor.wire import Address, Fate
from portal.db import now, session
from portal.models import Host, Task
from portal.services import hosts, strangers
from workers import specs, wire
from workers.specs import Observation, ObserveSpec, StrangersSpec

SWEPT_EVERY = timedelta(seconds=30)  # between two looks at everything a host holds
PATIENCE = timedelta(seconds=60)
BY_NAME = select(Host.id, Host.name, Host.sealed_key).order_by(Host.name)

log = logging.getLogger(__name__)


def observe(host_id: uuid.UUID) -> ObserveSpec:
    """Has a host say everything that it holds."""
    return ObserveSpec(id=str(host_id), generation=1)


def _questions(beats: Beats) -> Iterable[Question]:
    """Everything that a host holds is wanted to be known twice a minute, and whenever its beat
    says that something has happened there."""
    for host in session.execute(BY_NAME):
        beat = beats.get(host.id)
        if beat is None:
            continue
        yield Question(
            about=host.id,
            host=Address.of(host),
            job="hosts.observe",
            spec=observe(host.id),
            mark=(beat.get(wire.BEAT_BOOT_ID, ""), beat.get(wire.BEAT_EVENTS, "")),
            until=now() + PATIENCE,
            again=SWEPT_EVERY,
        )


def _clean(tasks: Sequence[Task]) -> dict[uuid.UUID, StrangersSpec]:
    """What the operator was shown on a host, without what has come to be wanted since."""
    return {
        task.id: StrangersSpec(
            id=str(task.host_id),
            generation=1,
            strangers=tuple(strangers.among(strangers.named(task.operation))),
        )
        for task in tasks
    }


def _take(reports: Reports) -> None:
    for host, observation in reports:
        if observation.everything and observation.host:
            _take_everything(host, observation)


def _take_everything(host: Host, observation: Observation) -> None:
    facts = observation.host
    host.vcpus, host.memory_mib = facts.vcpus, facts.memory_mib
    host.disk_gib, host.disk_free_gib = facts.disk_gib, facts.disk_free_gib
    host.file_systems = [specs.dump(each) for each in facts.file_systems]
    host.accelerator, host.accelerator_reason = facts.accelerator, facts.accelerator_reason
    host.versions = dict(facts.versions)
    host.console_address = facts.console_address
    obstacles = [list(each) for each in (*facts.obstacles, *_left_out(observation))]
    hosts.tell_of(host, obstacles)
    host.obstacles = obstacles
    host.strangers = [specs.dump(each) for each in strangers.reported(observation)]


def _left_out(observation: Observation) -> Iterable[tuple[str, str]]:
    """Rows of its tables that the host could not act by, which no command on it mends."""
    for table in observation.held:
        for row in table.unreadable:
            yield f"the table of {table.kind} leaves out a row: {row}", ""


def _answered(question: Question, fate: Fate) -> None:
    if fate.observation is None:
        log.warning("%s was to say what it holds: %s", question.host.name, fate.reason)


def _fulfilled(task: Task) -> str:
    left = [each for each in strangers.named(task.operation) if each in strangers.on(task.host)]
    return f"the host still reports {', '.join(map(str, left))}" if left else ""


NOUN = Noun(
    name="hosts",
    model=None,  # the engine locks the host of every task
    specs={STRANGERS_GONE.job: _clean},
    take=_take,
    fulfilled=_fulfilled,
    questions=_questions,
    answered=_answered,
)
