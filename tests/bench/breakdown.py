"""Which step of a create takes how long: from the click until a page says that the guest runs.

Moments are what exists anyway: the times of operation and tasks, and the ids of the lines that the
host wrote, which are milliseconds. All clocks are this machine's."""

import itertools
import time
import uuid

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from portal.db import session
from portal.models import Instance, Operation, Task
from tests.bench.figures import Figure, median, milliseconds

ACCEPT, SEND, TABLES, SEND_AGAIN = (
    "accept (POST)",
    "send (conductor)",
    "network and filter, side by side",
    "take answers, send again (conductor)",
)
IMAGE, DISK, SEED, PORTS, DEFINE, START = (
    "taken up by the host, image there",
    "root disk",
    "config disk",
    "ports",
    "define",
    "start",
)
OBSERVE, COMMIT = "observe, answer, take it in (conductor)", "to be read in the database"
SEE = "a page that says so, which the sum leaves out"
LINES_SECONDS = 5  # until the conductor has taken what a host said
LINES = {  # what the host says when a step is done, by its first words
    "The image is there": IMAGE,
    "The root disk is there": DISK,
    "The config disk is there": SEED,
    "The ports are there": PORTS,
    "The guest is defined": DEFINE,
    "The guest is running": START,
}
LAST_LINE = "The guest is running."
LOOK_SECONDS = 0.05


class Watch:
    """Notes moments, and gives the seconds of each step between them."""

    def __init__(self):
        self._began = time.time(), time.perf_counter()
        self._moments = [("", self._began[0])]

    def note(self, step: str, moment: float | None = None) -> None:
        """The step ended now, or at this moment (seconds since 1970)."""
        self._moments.append((step, time.time() if moment is None else moment))

    def of_counter(self, counted: float) -> float:
        """The moment at which `time.perf_counter` said so."""
        return self._began[0] + counted - self._began[1]

    @property
    def steps(self) -> dict[str, float]:
        """In the order in which they were noted. What ended before the step before it had ended
        took nothing: together they are as long as the whole."""
        latest = itertools.accumulate((moment for _, moment in self._moments), max)
        pairs = itertools.pairwise(latest)
        return {
            step: after - before
            for (step, _), (before, after) in zip(self._moments[1:], pairs, strict=True)
        }


def of_create(watch: Watch, instance_id: uuid.UUID, *, seen: float) -> dict[str, float]:
    """The steps of a create, just now shown by a page as one that runs, as the database had it at
    the moment `seen`. `watch` was begun with the click and noted when it was accepted."""
    on_the_page = time.time()
    tasks = _tasks(instance_id)
    guest = [task for task in tasks if task.job == "instances.apply"]
    before = [task for task in tasks if task not in guest]
    watch.note(SEND, min(task.sent_at.timestamp() for task in tasks))
    watch.note(TABLES, max((task.finished_at.timestamp() for task in before), default=0))
    watch.note(SEND_AGAIN, max(task.sent_at.timestamp() for task in guest))
    said = {line.text: line.at.timestamp() for task in guest for line in task.lines}
    for words, step in LINES.items():
        watch.note(
            step, max((at for text, at in said.items() if text.startswith(words)), default=0)
        )
    launched = session.scalar(select(Instance.launched_at).where(Instance.id == instance_id))
    watch.note(OBSERVE, launched.timestamp())
    watch.note(COMMIT, seen)
    watch.note(SEE, on_the_page)
    return watch.steps


def total(steps: dict[str, float]) -> float:
    """Until it was known that the guest runs."""
    return sum(steps.values()) - steps.get(SEE, 0)


def _tasks(instance_id: uuid.UUID) -> list[Task]:
    """What was sent for its create, once the last line of the host's is there too."""
    query = (
        select(Task)
        .join(Task.operation)
        .where(
            Operation.target_id == instance_id,
            Operation.action == "create",
            Task.sent_at.is_not(None),
        )
        .options(selectinload(Task.lines))
        .execution_options(populate_existing=True)
    )
    deadline = time.monotonic() + LINES_SECONDS
    while True:
        session.rollback()
        tasks = list(session.scalars(query))
        if any(line.text == LAST_LINE for task in tasks for line in task.lines):
            return tasks
        if time.monotonic() > deadline:
            raise SystemExit("bench: the host did not say that the guest is running")
        time.sleep(LOOK_SECONDS)


def figures(ours: list[dict[str, float]], by_hand: list[dict[str, float]]) -> list[Figure]:
    """A row a step: the median here, and after it what the same takes by hand."""
    steps = dict.fromkeys([*ours[0], *by_hand[0]])
    return [
        Figure(f"... {step}", f"{_took(step, ours)} / {_took(step, by_hand)}") for step in steps
    ]


def _took(step: str, creates: list[dict[str, float]]) -> str:
    """The median of what it took, or a dash where there is no such step."""
    if step not in creates[0]:
        return "-"
    return milliseconds(median(each[step] for each in creates))
