"""What a change of a noun consists of: its jobs, how long it may take, what it does not wait for.

Pure: it says what, `portal.services.operations` writes it down and the conductor carries it out.
One file a noun, each with its table from an action to a `Change`.
"""

from datetime import timedelta

from portal.changes import hosts, images, instances, networks, projects
from portal.changes.change import Change, Step

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

__all__ = ["CHANGES", "LONG_JOBS", "TABLE_DEADLINE", "WORDS", "Change", "Step"]
