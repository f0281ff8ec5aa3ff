"""Images: copied to hosts, or fetched by one of them from their publishers."""

import uuid
from collections.abc import Sequence

from sqlalchemy import exists, func, select
from sqlalchemy.orm import aliased

from portal import config
from portal.changes.images import COPY, FETCH, NO_FETCH
from portal.conductor.noun import Noun, Reports
from portal.conductor.repairs import ANSWERS, MOST_AT_A_TIME, at_present, backoff, changing
from portal.db import now, session
from portal.models import Image, Operation, Outcome, Task
from portal.services import images, publishers
from workers.specs import Fetched, FetchSpec, ImageSpec

_told, _failed = aliased(Task), aliased(Operation)
_fetching = (
    select(Task.id)
    .join(Task.host)
    .where(
        Task.target_id == Image.id,
        Task.job == FETCH.job,
        ANSWERS,
        ~exists().where(
            _told.target_id == Task.target_id,
            _told.host_id == Task.host_id,
            _told.job == NO_FETCH.job,
            _told.outcome == Outcome.DONE,
        ),
    )
)
# Images whose fetching a host that answers was not told to end; how often that failed, and when
# the last time.
UNTOLD = (
    select(Image.id, func.count(_failed.id), func.max(_failed.finished_at))
    .join(_failed, _failed.target_id == Image.id)
    .where(
        Image.deleted_at.is_not(None),
        ~Image.ready,
        _failed.action == "delete",
        _failed.outcome == Outcome.FAILED,
        ~changing(Image.id),
        _fetching.exists(),
    )
    .group_by(Image.id)
    .limit(MOST_AT_A_TIME)
)


def spec(image: Image) -> ImageSpec:
    """An image that a host's cache shall hold. Its content never changes, so neither does its
    generation."""
    return ImageSpec(
        id=str(image.id),
        generation=1,
        sha256=image.sha256,
        format=image.format,
        size_bytes=image.size_bytes,
        virtual_size_bytes=image.virtual_size_bytes,
    )


def _copies(tasks: Sequence[Task]) -> dict[uuid.UUID, ImageSpec]:
    rows = _rows(tasks)
    return {task.id: spec(rows[task.target_id]) for task in tasks}


def _fetches(tasks: Sequence[Task]) -> dict[uuid.UUID, FetchSpec]:
    rows = _rows(tasks)
    return {task.id: _fetch(rows[task.target_id]) for task in tasks}


def _rows(tasks: Sequence[Task]) -> dict[uuid.UUID, Image]:
    query = select(Image).where(Image.id.in_({task.target_id for task in tasks}))
    return {image.id: image for image in session.scalars(query)}


def _fetch(image: Image) -> FetchSpec:
    """Where a published image comes from, by the portal's own table, and how large it may be. One
    that stands there no more comes from nowhere, which its host refuses."""
    settings = config.current()
    published = publishers.PUBLISHED.get(image.published_as)
    return FetchSpec(
        id=str(image.id),
        generation=image.generation,
        url=published.url if published else "",
        file=published.file if published else image.published_as,
        sums_url=published.sums_url if published else "",
        most_bytes=settings.image_max_gib * 2**30,
        most_virtual_bytes=settings.image_max_virtual_gib * 2**30,
    )


def _take(reports: Reports) -> None:
    for host, observation in reports:
        for fetched in observation.fetches:
            _take_fetched(fetched)
        there = set(observation.images)
        if not observation.everything:
            there |= set(host.images)
        there -= set(observation.images_absent)
        if there != set(host.images):
            host.images = sorted(there)


def _take_fetched(fetched: Fetched) -> None:
    image = session.get(Image, uuid.UUID(fetched.id))
    if image is None or image.ready or image.deleted_at:
        return  # the bytes never change, so only the first news counts
    image.format, image.sha256 = fetched.format, fetched.sha256
    image.size_bytes = fetched.size_bytes
    image.virtual_size_bytes = fetched.virtual_size_bytes


def _fulfilled(task: Task) -> str:
    image = session.get_one(Image, task.target_id)
    if task.job == FETCH.job and not image.ready:
        return "the host does not report the file"
    if task.job == COPY.job and image.sha256 not in task.host.images:
        return "the host does not report the image"
    return ""


def _ended(operations: Sequence[Operation]) -> None:
    for operation in operations:
        if operation.action == "fetch":
            session.get_one(Image, operation.target_id).fault = operation.reason


def _due() -> list[uuid.UUID]:
    moment = now()
    return [
        image_id
        for image_id, failures, last in session.execute(UNTOLD, at_present())
        if last + backoff(failures) <= moment
    ]


def _mend(image_id: uuid.UUID) -> bool:
    """A deleted image is fetched no further, also by a host that was away when it was told."""
    image = session.scalar(
        select(Image).where(Image.id == image_id).with_for_update(of=Image, skip_locked=True)
    )
    if image is None or image_id not in _due():
        return False
    images.stop_fetching(None, image, None)
    return True


NOUN = Noun(
    name="images",
    model=Image,
    specs={COPY.job: _copies, FETCH.job: _fetches, NO_FETCH.job: _fetches},
    take=_take,
    fulfilled=_fulfilled,
    ended=_ended,
    due=_due,
    mend=_mend,
)
