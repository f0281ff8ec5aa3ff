"""What a change of a noun consists of: its jobs, how long it may take, what it does not wait for.

Pure: it says what, `portal.services.operations` writes it down and the conductor carries it out.
One file a noun, each with its table from an action to a `Change`.
"""

from datetime import timedelta

from portal.changes import hosts, images, instances, networks, projects
from portal.changes.change import ATTEMPTS, Change, Step

CHANGES: dict[tuple[str, str], Change] = {
    (noun, action): change
    for noun, table in (
        (instances.NOUN, instances.CHANGES),
        (images.NOUN, images.CHANGES),
        (networks.NOUN, networks.CHANGES),
        (projects.NOUN, projects.CHANGES),
        (hosts.NOUN, hosts.CHANGES),
    )
    for action, change in table.items()
}

STEPS = {step.job: step for change in CHANGES.values() for step in change.steps}
WORDS = {job: step.words for job, step in STEPS.items()}
LONG_JOBS = {job for job, step in STEPS.items() if step.long}
TABLE_DEADLINE = timedelta(minutes=30)  # of a table that a host shall hold, whoever altered it


def words_of(noun: str, action: str, job: str) -> str:
    """What a job does in this change, for people; a repair of another one's step, say, as in any
    other."""
    change = CHANGES.get((noun, action))
    steps = change.steps if change else ()
    return next((step.words for step in steps if step.job == job), WORDS[job])


__all__ = ["ATTEMPTS", "CHANGES", "LONG_JOBS", "TABLE_DEADLINE", "WORDS", "Change", "Step"]
