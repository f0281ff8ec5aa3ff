"""The shape of a change."""

import dataclasses
from datetime import timedelta

ATTEMPTS = 5  # of a job, before its change is given up
OWN_WORK = frozenset({"repair"})  # what the cloud does by itself waits for nobody's wish


@dataclasses.dataclass(frozen=True)
class Step:
    """One job of a change, done on every host that has a part in it."""

    job: str  # a name in workers.jobs.JOBS
    words: str  # what it does, for people
    long: bool = False  # whether it moves bytes for minutes: the host has a queue of its own for it


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that can be done to a noun.

    The stages run one after the other, the steps of a stage side by side. `deadline` runs from
    the moment the change is wanted until it has ended, whatever happens. `supersedes` names the
    actions under way that end where this one begins.
    """

    stages: tuple[tuple[Step, ...], ...]
    deadline: timedelta
    supersedes: frozenset[str] = OWN_WORK

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps of the change, in order."""
        return tuple(step for stage in self.stages for step in stage)
