"""What the engine carries: each noun in a file of its own.

A noun says how its specs are built, its facts taken, when a task is fulfilled, what the end of a
change means, what is due and how it is mended.
"""

from portal.conductor.noun import Noun
from portal.conductor.nouns import (
    boot_logs,
    firewall,
    hosts,
    images,
    instances,
    networks,
    projects,
)

NOUNS: dict[str, Noun] = {
    noun.name: noun
    for noun in (
        hosts.NOUN,
        projects.NOUN,  # before what they have, as services lock them
        images.NOUN,
        instances.NOUN,
        boot_logs.NOUN,
        networks.NOUN,
        firewall.NOUN,
    )
}

_OF_JOB = {job: noun for noun in NOUNS.values() for job in noun.specs}


def noun_of(job: str) -> Noun:
    """The noun that builds the spec of a job."""
    return _OF_JOB[job]
