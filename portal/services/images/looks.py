"""Images as they are, and who may see and change which."""

import uuid
from collections.abc import Callable, Sequence
from typing import BinaryIO

from sqlalchemy import ColumnElement, and_, case, exists, false, func, literal, or_, select
from sqlalchemy.orm import joinedload

from portal.db import session
from portal.errors import Forbidden
from portal.models import (
    Acceptance,
    Image,
    ImageStatus,
    Instance,
    Operation,
    Power,
    Visibility,
)
from portal.policies import (
    Actor,
    authorize,
    concealed_images,
    offered_images,
    visible_images,
)
from portal.sentences import Sentence
from portal.services import finding
from portal.services.images import store
from portal.services.listing import Query, Stretch, bears, few, like, page, says, stretch

SORTS = ("name", "created_at", "size_bytes")
MOST_SHOWN = 20  # of the images that wait for an answer
COLUMNS = {
    "id": Image.id,
    "name": Image.name,
    "project_id": Image.project_id,
    "visibility": Image.visibility,
    "format": Image.format,
    "size_bytes": Image.size_bytes,
    "min_disk": Image.min_disk_gib,
    "min_memory": Image.min_memory_mib,
    "protected": Image.protected,
    "hidden": Image.hidden,
    "md5": Image.md5,
    "sha256": Image.sha256,
    "created_at": Image.created_at,
    "updated_at": Image.updated_at,
}
_FETCHING = exists().where(Operation.target_id == Image.id, Operation.finished_at.is_(None))
MOMENTS = {"created_at": Image.created_at, "updated_at": Image.updated_at}
IN_STATE = {  # of those that have not been deleted
    ImageStatus.WAITING: ~Image.ready & (Image.published_as == "") & ~_FETCHING,
    ImageStatus.READY: Image.usable,
    ImageStatus.DEACTIVATED: Image.ready & Image.deactivated,
    ImageStatus.FETCHING: ~Image.ready & _FETCHING,
    ImageStatus.ERROR: ~Image.ready & (Image.published_as != "") & ~_FETCHING,
    ImageStatus.DELETED: false(),
}
COLUMNS |= {
    "container": literal("bare"),
    "status": case(*((condition, each.word) for each, condition in IN_STATE.items())),
}
STATES = {each.value: Image.visibility == each for each in Visibility}


def find(actor: Actor, project_id: uuid.UUID, name_or_id: uuid.UUID | str) -> Image:
    """The image, if the project has it or everybody is offered it. Raises NotFound, Ambiguous."""
    return finding.find(actor, Image, name_or_id, project_id=project_id)


def find_whole(actor: Actor, project_id: uuid.UUID, name_or_id: uuid.UUID | str) -> Image:
    """The image, with the change of it that was under way at that moment. Raises NotFound,
    Ambiguous."""
    options = (joinedload(Image.open_operation),)
    return finding.find(actor, Image, name_or_id, project_id=project_id, options=options)


def listed(actor: Actor, project_id: uuid.UUID, wanted: Query) -> tuple[list[Image], int]:
    """A page of the images that instances of the project can start from, and how many there
    are. `wanted.text` is a part of a name, `wanted.state` a visibility."""
    authorize(actor, "images:read", project_id)
    query = offered_images(actor, project_id)
    if wanted.text:
        query = query.where(Image.name.ilike(like(wanted.text), escape="\\"))
    if wanted.state in STATES:
        query = query.where(STATES[wanted.state])
    columns = {name: getattr(Image, name) for name in (*SORTS, "id")}
    return page(query, wanted, columns, (joinedload(Image.open_operation),))


def offered(
    actor: Actor, wanted: Stretch, *, said: Sequence[Acceptance] = (Acceptance.ACCEPTED,)
) -> tuple[list[Image], bool]:
    """A stretch of the images that the actor can start from where they look, in one project or in
    the whole cloud, and whether there are more: without those that are hidden, unless they are
    asked for. Of what is shared by others it has those to which the project has `said` this."""
    authorize(actor, "images:read", actor.project_id)
    filters = {
        "visibility": lambda values: Image.visibility.in_({*values} & {*Visibility}),
        "status": lambda values: or_(false(), *(IN_STATE[each] for each in values)),
        "size_min": lambda values: Image.size_bytes >= max(values),
        "size_max": lambda values: Image.size_bytes <= min(values),
        "tag": lambda values: and_(*(bears(Image.tags, each) for each in few(values))),
        "property": lambda values: and_(*(says(Image.properties, *each) for each in few(values))),
        **{name: _at(column) for name, column in MOMENTS.items()},
    }
    known = offered_images(actor, actor.project_id, said=said)
    if "hidden" not in wanted.filters:
        known = known.where(~Image.hidden)
    options = (joinedload(Image.open_operation),)
    return stretch(known, wanted, COLUMNS, filters=filters, options=options)


def _at(column: ColumnElement) -> Callable[[Sequence], ColumnElement[bool]]:
    """A filter by moments: pairs of a comparison and what is compared with."""
    return lambda values: and_(*(compare(column, moment) for compare, moment in values))


def pending(actor: Actor, project_id: uuid.UUID) -> list[Image]:
    """The newest images that others share with the project, to which it has not said anything."""
    authorize(actor, "images:read", project_id)
    known = offered_images(actor, project_id, said=(Acceptance.PENDING,)).where(
        Image.project_id != project_id, Image.visibility == Visibility.SHARED
    )
    ordered = known.order_by(Image.created_at.desc(), Image.id).limit(MOST_SHOWN)
    return list(session.scalars(ordered.options(joinedload(Image.open_operation))))


def private_to_others(actor: Actor, project_id: uuid.UUID) -> int:
    """How many images the project has that only somebody else may know of. They count in its
    quota all the same."""
    concealed = concealed_images(actor, project_id)
    if concealed is None:
        return 0
    there = concealed.where(Image.deleted_at.is_(None)).subquery()
    return session.scalar(select(func.count()).select_from(there))


def may(actor: Actor, verb: str, image: Image) -> bool:
    """Whether the actor may "change" or "delete" the image."""
    return actor.may(*_needed(verb, image))


def require(actor: Actor, verb: str, image: Image) -> None:
    """Return when the actor may. Raises Forbidden."""
    authorize(actor, *_needed(verb, image))


def knows(actor: Actor, image: Image) -> bool:
    """Whether the actor may know of the image, deleted ones too."""
    if image.visibility is Visibility.PUBLIC:
        return True
    found = visible_images(actor, select(Image.id).where(Image.id == image.id))
    return session.scalar(found) is not None


def locked(actor: Actor, verb: str, project_id: uuid.UUID, image_id: uuid.UUID) -> Image:
    """The image, its row locked, when the actor may `verb` it. For use inside a change."""
    image = find(actor, project_id, image_id)
    require(actor, verb, image)
    session.refresh(image, with_for_update=True)
    return image


def unusable(image: Image) -> Sentence | None:
    """Why nothing starts from an image that has not been deleted; None if instances do."""
    match image.status:
        case ImageStatus.WAITING:
            return Sentence(
                "{image} waits for its file. Upload it, or choose another image.",
                image=image.called,
            )
        case ImageStatus.FETCHING:
            return Sentence(
                "{image} is not there yet: it is {status:state}. Wait for it, or choose another.",
                image=image.called,
                status=image.status,
            )
        case ImageStatus.ERROR:
            return Sentence(
                "{image} could not be fetched, so nothing starts from it. Choose another.",
                image=image.called,
            )
        case ImageStatus.DEACTIVATED:
            return Sentence(
                "{image} is deactivated, so nothing starts from it. Choose another, or have it "
                "reactivated.",
                image=image.called,
            )
    return None


def bytes_of(
    actor: Actor, project_id: uuid.UUID | None, image_id: uuid.UUID
) -> tuple[Image, BinaryIO | None]:
    """The image and its file, which stays readable while it is open; None where there is none yet.
    Raises Forbidden for a deactivated one, but to administrators of the cloud."""
    image = find(actor, project_id, image_id)
    authorize(actor, "images:read_bytes", project_id)
    if image.deactivated and not actor.may("images:publish"):
        raise Forbidden(
            "{image} is deactivated: nobody reads its bytes until it is reactivated.",
            image=image.called,
        )
    return image, store.opened(image.sha256) if image.ready else None


def used_by(image: Image) -> int:
    """How many instances were made from it."""
    return session.scalar(
        select(func.count())
        .select_from(Instance)
        .where(Instance.image_id == image.id, Instance.desired != Power.ABSENT)
    )


def strangers() -> set[str]:
    """Files of the store, by their SHA-256, that no image names: what a crash has left. One that
    a host has just fetched for an image is none, though its row does not name it yet. For the
    command line."""
    with store.turn():
        return unnamed()


def unnamed() -> set[str]:
    """Files of the store, by their SHA-256, that no image names. Call it in a turn of the store."""
    held = store.held()
    return held - named(held)


def named(files: set[str]) -> set[str]:
    """Which of these files, by their SHA-256, belong to an image. Call it in a turn of the
    store."""
    fetched = {image: sha256 for image, sha256 in store.fetched().items() if sha256 in files}
    rows = session.execute(
        select(Image.id, Image.sha256).where(
            or_(Image.sha256.in_(files), Image.id.in_(fetched)), Image.deleted_at.is_(None)
        )
    )
    return {sha256 or fetched[image_id] for image_id, sha256 in rows}


def there(image_ids: set[uuid.UUID]) -> set[uuid.UUID]:
    """Which of these ids are those of images that have not been deleted."""
    query = select(Image.id).where(Image.id.in_(image_ids), Image.deleted_at.is_(None))
    return set(session.scalars(query))


def _needed(verb: str, image: Image) -> tuple[str, uuid.UUID | None]:
    """The permission, and in which project. What is public belongs to the cloud, whoever sent
    it."""
    if image.visibility is Visibility.PUBLIC or image.project_id is None:
        return "images:publish", None
    return f"images:{verb}", image.project_id
