"""One thing, found by its id or by its name: written once, for all nouns and every front door.

What does not exist, what was deleted and what the actor may not know of are answered alike.
"""

import dataclasses
import uuid
from collections.abc import Iterable
from typing import TypeVar

from sqlalchemy import Select, select

from portal.db import session
from portal.errors import Ambiguous, NotFound, Refused
from portal.models import (
    Aggregate,
    Flavor,
    Group,
    Host,
    Image,
    Instance,
    KeyPair,
    Network,
    Operation,
    PlacementGroup,
    Power,
    Project,
    User,
)
from portal.policies import Actor, authorize, known_images, offered_images
from portal.sentences import Sentence
from portal.services import names

Thing = TypeVar("Thing")

SHOWN = 5  # of the things that bear one name


@dataclasses.dataclass(frozen=True)
class Kind:
    """How things of one kind are found."""

    plural: str
    permission: str  # that it takes to look for any; "" where each is judged by itself
    missing: Sentence  # what is said where there is none


KINDS = {
    Instance: Kind(
        "instances",
        "instances:read",
        Sentence("There is no such instance in this project. It may have been deleted."),
    ),
    Image: Kind(
        "images",
        "images:read",
        Sentence("There is no such image in this project. It may have been deleted."),
    ),
    Network: Kind(
        "networks",
        "networks:read",
        Sentence("There is no such network in this project. It may have been deleted."),
    ),
    Operation: Kind(
        "operations", "operations:read", Sentence("There is no such operation in this project.")
    ),
    KeyPair: Kind(
        "keys",
        "key_pairs:change",
        Sentence("There is no such key among yours. It may have been deleted."),
    ),
    Flavor: Kind(
        "flavors", "cloud:read", Sentence("There is no such flavor. It may have been deleted.")
    ),
    Host: Kind("hosts", "hosts:read", Sentence("There is no such host.")),
    Aggregate: Kind("aggregates", "aggregates:read", Sentence("There is no such aggregate.")),
    PlacementGroup: Kind(
        "placement groups",
        "placement_groups:read",
        Sentence("There is no such placement group in this project. It may have been deleted."),
    ),
    Group: Kind(
        "groups", "groups:read", Sentence("There is no such group. It may have been deleted.")
    ),
    User: Kind("users", "users:read", Sentence("There is no such user.")),
    Project: Kind("projects", "", Sentence("There is no such project, or you have no part in it.")),
}


def find(
    actor: Actor,
    model: type[Thing],
    name_or_id: uuid.UUID | str,
    *,
    project_id: uuid.UUID | None = None,
    options: Iterable = (),
) -> Thing:
    """The thing of this id (a UUID, or its text), or else of this name. Things of projects are
    looked for in `project_id`; without it everywhere, by who may look at the whole cloud.

    `options` load what belongs to it, anew. Raises NotFound, and Ambiguous where several things
    bear the name. An instance that is being deleted has given up its name, not its id.
    """
    kind = KINDS[model]
    if kind.permission:
        authorize(actor, kind.permission, project_id)
    rows = _known(actor, model, project_id).options(*options)
    if options:
        rows = rows.execution_options(populate_existing=True)
    thing_id = as_id(name_or_id)
    found = session.scalar(rows.where(model.id == thing_id)) if thing_id else None
    if found is None and isinstance(name_or_id, str):
        if model is Image:  # what others push at a project bears no name there until it is accepted
            rows = offered_images(actor, project_id).options(*options)
        found = _named(rows, model, name_or_id)
    if found is None:
        raise NotFound.saying(kind.missing)
    return found


def locked(thing: Thing) -> Thing:
    """The thing as it is once nobody else changes it, its row locked. For use inside a change.
    Raises NotFound for one that has gone until then."""
    model = type(thing)
    query = select(model).where(model.id == thing.id).with_for_update(of=model)
    found = session.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise NotFound.saying(KINDS[model].missing)
    return found


def _known(actor: Actor, model, project_id: uuid.UUID | None) -> Select:
    """The query for what is there and the actor may know of."""
    if model is Image:
        return known_images(actor, project_id)
    query = select(model)
    if model is KeyPair:
        return query.where(KeyPair.user_id == actor.user_id)
    if model is Project:
        query = query.where(Project.deleted_at.is_(None))
        return query if actor.system else query.where(Project.id.in_(actor.projects))
    if project_id and hasattr(model, "project_id"):
        query = query.where(model.project_id == project_id)
    if hasattr(model, "deleted_at"):
        query = query.where(model.deleted_at.is_(None))
    return query


def _named(rows: Select, model, text: str):
    """The one thing of this name, or None."""
    try:
        name = names.label(text)
    except Refused:
        return None
    if not hasattr(model, "name"):
        return None
    if model is Instance:
        rows = rows.where(Instance.desired != Power.ABSENT)
    query = rows.where(model.name == name).order_by(model.created_at, model.id)
    found = session.scalars(query.limit(SHOWN + 1)).unique().all()
    if len(found) > 1:
        raise Ambiguous(
            "Several {things} are named {name}: {ids:list}. Say by its id which one is meant."
            if len(found) <= SHOWN
            else "Several {things} are named {name}: {ids:list} and others. Say by its id which "
            "one is meant.",
            things=KINDS[model].plural,
            name=name,
            ids=[str(each.id)[:8] for each in found[:SHOWN]],
        )
    return found[0] if found else None


def as_id(name_or_id: uuid.UUID | str) -> uuid.UUID | None:
    """The id that this is; None for a name."""
    if isinstance(name_or_id, uuid.UUID):
        return name_or_id
    try:
        return uuid.UUID(name_or_id)
    except ValueError:
        return None
