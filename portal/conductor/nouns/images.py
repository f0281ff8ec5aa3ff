"""Images: copied to hosts, or fetched by one of them from their publishers."""

import uuid

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import aliased

from portal import config
from portal.changes.images import COPY, FETCH, NO_FETCH
from portal.conductor.noun import Noun
from portal.conductor.repairs import MOST_AT_A_TIME, answers, backoff, changing
from portal.db import now, session
from portal.models import Host, Image, Operation, Outcome, Task
from portal.services import images, publishers
from workers.specs import FetchSpec, ImageSpec, Observation


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


def _copy(task: Task) -> ImageSpec:
    return spec(session.get_one(Image, task.target_id))


def _fetch(task: Task) -> FetchSpec:
    """Where a published image comes from, by the portal's own table, and how large it may be. One
    that stands there no more comes from nowhere, which its host refuses."""
    image, settings = session.get_one(Image, task.target_id), config.current()
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


def _take(host: Host, observation: Observation) -> None:
    for fetched in observation.fetches:
        image = session.get(Image, uuid.UUID(fetched.id))
        if image is None or image.ready or image.deleted_at:
            continue  # the bytes never change, so only the first news counts
        image.format, image.sha256 = fetched.format, fetched.sha256
        image.size_bytes = fetched.size_bytes
        image.virtual_size_bytes = fetched.virtual_size_bytes
    there = set(observation.images)
    if not observation.everything:
        there |= set(host.images)
    there -= set(observation.images_absent)
    if there != set(host.images):
        host.images = sorted(there)


def _fulfilled(task: Task) -> str:
    image = session.get_one(Image, task.target_id)
    if task.job == FETCH.job and not image.ready:
        return "the host does not report the file"
    if task.job == COPY.job and image.sha256 not in task.host.images:
        return "the host does not report the image"
    return ""


def _ended(operation: Operation) -> None:
    if operation.action == "fetch":
        session.get_one(Image, operation.target_id).fault = operation.reason


def _due() -> list[uuid.UUID]:
    moment = now()
    return [
        image_id
        for image_id, failures, last in session.execute(_undeleted().limit(MOST_AT_A_TIME))
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


def _undeleted() -> Select:
    """Images whose fetching a host that answers was not told to end; how often that failed, and
    when the last time."""
    told, failed = aliased(Task), aliased(Operation)
    fetching = (
        select(Task.id)
        .join(Task.host)
        .where(
            Task.target_id == Image.id,
            Task.job == FETCH.job,
            answers(now()),
            ~exists().where(
                told.target_id == Task.target_id,
                told.host_id == Task.host_id,
                told.job == NO_FETCH.job,
                told.outcome == Outcome.DONE,
            ),
        )
    )
    return (
        select(Image.id, func.count(failed.id), func.max(failed.finished_at))
        .join(failed, failed.target_id == Image.id)
        .where(
            Image.deleted_at.is_not(None),
            ~Image.ready,
            failed.action == "delete",
            failed.outcome == Outcome.FAILED,
            ~changing(Image.id),
            fetching.exists(),
        )
        .group_by(Image.id)
    )


NOUN = Noun(
    name="images",
    model=Image,
    specs={COPY.job: _copy, FETCH.job: _fetch, NO_FETCH.job: _fetch},
    take=_take,
    fulfilled=_fulfilled,
    ended=_ended,
    due=_due,
    mend=_mend,
)
