"""The record of who did what. Written in the transaction of the change; never altered."""

import contextlib
import uuid
from collections.abc import Iterable, Mapping

from sqlalchemy import ColumnElement, Select, and_, or_, select, union_all
from sqlalchemy.orm import joinedload, make_transient

from portal import throttle
from portal.db import session, transaction, write
from portal.errors import DiskFull, Refused
from portal.models import Activity, Image, Instance, Operation, Project, User
from portal.policies import Actor, authorize, concealed_images, visible_images
from portal.services.listing import Query, like, page

SIGN_IN, SIGN_OUT = "sessions:sign_in", "sessions:sign_out"
AUTOMATIC = ("consoles.ticket",)  # asked for again and again by a page that stands open
REFUSALS_PER_MINUTE = 20  # of one person, or of one address that nobody has signed in from
PEOPLE = tuple(  # who may be gone by now
    joinedload(each).load_only(User.deleted_at) for each in (Activity.user, Activity.about)
)
STATES = {"done": Activity.refused == "", "refused": Activity.refused != ""}

_CONCERNS_OTHERS = or_(
    Activity.refused == "", and_(Activity.field == "", Activity.action.not_in(AUTOMATIC))
)


def record(
    actor: Actor,
    action: str,
    target,
    *,
    before: dict | None = None,
    after: dict | None = None,
    operation: Operation | None = None,
) -> None:
    """There is an entry that `actor` did `action` to `target`. `before` and `after` hold no
    secrets: callers pass what may be read by everybody in the project."""
    entry = _entry(actor, action, target, operation and operation.id)
    session.add(Activity(**entry, before=before, after=after))


def alter(actor: Actor, action: str, target, values: Mapping) -> None:
    """`target` has these values by the names of its columns, and there is an entry that says so,
    and what it had. For use inside a change."""
    before = {name: getattr(target, name) for name in values}
    for name, value in values.items():
        setattr(target, name, value)
    record(actor, action, target, before=before, after=dict(values))


def record_made(actor: Actor, action: str, made: Iterable[tuple], *, after: Iterable[dict]) -> None:
    """There is an entry for every thing that `actor` made by one `action`. `made` pairs them with
    the ids of their first operations, `after` holds no secrets."""
    write(
        Activity,
        [
            _entry(actor, action, target, operation_id) | {"after": each}
            for (target, operation_id), each in zip(made, after, strict=True)
        ],
    )


def record_refusal(
    actor: Actor,
    action: str,
    refused: Refused,
    *,
    project_id: uuid.UUID | None = None,
    target_id: uuid.UUID | None = None,
) -> None:
    """There is an entry that `actor` was refused `action`, and why. A project that the actor
    has no part in is not named, so that nobody's record can be written into by strangers. Of one
    actor so many are written down within a minute; the last of them says that there may be more."""
    sentence = _if_seldom(str(refused), str(actor.user_id))
    if not sentence:
        return
    with contextlib.suppress(DiskFull), transaction():
        known = project_id and actor.role(project_id) and session.get(Project, project_id)
        session.add(
            Activity(
                action=action,
                project_id=known.id if known else None,
                user_id=actor.user_id,
                user_name=actor.user_name,
                target_id=target_id,
                refused=sentence,
                field=(refused.field or "")[:64],
                address=actor.address,
                request_id=actor.request_id,
            )
        )


def record_failed_sign_in(name: str, refused: Refused, *, address: str, request_id: str) -> None:
    """There is an entry that somebody was not let in, and why. A name that nobody has is not
    written down: it may be a password in the wrong field."""
    sentence = _if_seldom(str(refused), address)
    if not sentence:
        return
    user = session.scalar(select(User).where(User.name == name, User.deleted_at.is_(None)))
    nobody = Actor(user_id=None, user_name="", address=address, request_id=request_id)
    with transaction():
        entry = {"action": SIGN_IN, "user_name": "nobody", "target_type": User.__tablename__}
        if user:
            entry = _entry(nobody, SIGN_IN, user, None) | {"user_name": "nobody"}
        session.add(
            Activity(**entry | {"refused": sentence, "address": address, "request_id": request_id})
        )


def _if_seldom(sentence: str, who: str) -> str:
    """The sentence if it is to be written down, without NUL bytes, which PostgreSQL takes in no
    text; "" if that would be one too many."""
    sentence = sentence.replace("\0", "")
    left = throttle.within("refusals", who, per_minute=REFUSALS_PER_MINUTE)
    if left is None:
        return ""
    return sentence if left else f"{sentence} What else is refused in this minute is not listed."


def _entry(actor: Actor, action: str, target, operation_id: uuid.UUID | None) -> dict:
    return {
        "action": action,
        "project_id": _project_of(target),
        "user_id": actor.user_id,
        "user_name": actor.user_name,
        "target_type": target.__tablename__,
        "target_id": target.id,
        "target_name": getattr(target, "name", ""),
        "address": actor.address,
        "request_id": actor.request_id,
        "operation_id": operation_id,
    }


def _project_of(target) -> uuid.UUID | None:
    return target.id if isinstance(target, Project) else getattr(target, "project_id", None)


def of_target(actor: Actor, project_id: uuid.UUID, target_id: uuid.UUID) -> list[Activity]:
    """The newest 100 entries about one thing of the project that concern others too, without the
    names of images that are private to somebody else."""
    authorize(actor, "activities:read", project_id)
    rows = session.scalars(
        select(Activity)
        .where(
            Activity.project_id == project_id,
            Activity.target_id == target_id,
            _CONCERNS_OTHERS,
        )
        .order_by(Activity.created_at.desc(), Activity.id)
        .options(*PEOPLE)
        .limit(100)
    )
    return _as_seen_by(actor, project_id, list(rows))


def of_ids(
    actor: Actor, project_id: uuid.UUID, ids: Iterable[uuid.UUID]
) -> dict[uuid.UUID, Activity]:
    """The project's entries of these ids that concern others too, by their ids, without the names
    of images that are private to somebody else."""
    rows = session.scalars(
        select(Activity)
        .where(Activity.id.in_(ids), Activity.project_id == project_id, _CONCERNS_OTHERS)
        .options(*PEOPLE)
    )
    return {row.id: row for row in _as_seen_by(actor, project_id, list(rows))}


def listed(
    actor: Actor, wanted: Query, *, project_id: uuid.UUID | None = None
) -> tuple[list[Activity], int]:
    """A page of the record, newest first, and how long it is: of one project, or, for who may
    look at the whole cloud, of all of it. `wanted.text` is a part of a name or of an action,
    `wanted.state` a key of STATES.

    A project's part of it is what concerns others too: without what somebody mistyped in a form,
    and without the names of images that are private to somebody else."""
    if project_id is None:
        authorize(actor, "cloud:read")
        query = select(Activity)
    else:
        authorize(actor, "activities:read", project_id)
        query = select(Activity).where(Activity.project_id == project_id, _CONCERNS_OTHERS)
    if wanted.text:
        query = query.where(_holds(wanted.text, concealed_images(actor, project_id)))
    if wanted.state in STATES:
        query = query.where(STATES[wanted.state])
    columns = {"created_at": Activity.created_at, "id": Activity.id}
    rows, total = page(query, wanted, columns, PEOPLE)
    return _as_seen_by(actor, project_id, rows), total


def _holds(text: str, concealed: Select | None) -> ColumnElement[bool]:
    """Whether an entry holds the text, but in a name that is concealed."""
    pattern = like(text)
    name, *others = (
        column.ilike(pattern, escape="\\")
        for column in (Activity.target_name, Activity.user_name, Activity.action)
    )
    if concealed is not None:
        name = and_(name, or_(Activity.target_id.is_(None), Activity.target_id.not_in(concealed)))
    return or_(name, *others)


def _as_seen_by(actor: Actor, project_id: uuid.UUID | None, rows: list[Activity]) -> list[Activity]:
    """The entries, without what they say of images that are private to somebody else."""
    concealed = concealed_images(actor, project_id)
    targets = {row.target_id for row in rows if row.target_type in (Image.__tablename__, "")}
    made = {row.target_id for row in rows if row.after and "image" in row.after}
    if concealed is None or not (targets | made) - {None}:
        return rows
    known = visible_images(actor, select(Image.id))
    hidden = set(
        session.scalars(
            union_all(
                concealed.where(Image.id.in_(targets - {None})),
                select(Instance.id).where(Instance.id.in_(made), Instance.image_id.not_in(known)),
            )
        )
    )
    for row in rows:
        if row.target_id not in hidden:
            continue
        make_transient(row)  # what is left out here is never left out of the record
        if row.target_id in made:
            row.after = {key: each for key, each in (row.after or {}).items() if key != "image"}
        else:
            row.target_name, row.before, row.after = "", None, None
            row.refused = row.refused and "It is private to somebody else."
    return rows
