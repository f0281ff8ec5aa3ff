"""Projects: each goes when the last host holds nothing of it any more."""

import uuid
from collections.abc import Sequence

from sqlalchemy import select

from portal.changes.projects import NOUN as NAME
from portal.conductor.noun import Noun
from portal.conductor.nouns import networks
from portal.conductor.repairs import MOST_AT_A_TIME, changing
from portal.db import session
from portal.models import Network, Operation, Project
from portal.services import deletions

# The projects that are wanted gone, and of which nothing is left.
BURIABLE = select(Project.id).where(deletions.GOING, ~deletions.LEFT, ~changing(Project.id))
DUE = BURIABLE.limit(MOST_AT_A_TIME)


def _ended(operations: Sequence[Operation]) -> None:
    """What a host that is away still holds goes when it returns, thing by thing."""
    ids = [operation.target_id for operation in operations]
    networks.bury(Network.project_id.in_(ids))
    deletions.bury(ids)


def _due() -> list[uuid.UUID]:
    return list(session.scalars(DUE))


def _mend(project_id: uuid.UUID) -> bool:
    if session.scalar(BURIABLE.where(Project.id == project_id)):
        deletions.bury([project_id])
    return False


NOUN = Noun(name=NAME, model=Project, specs={}, ended=_ended, due=_due, mend=_mend)
