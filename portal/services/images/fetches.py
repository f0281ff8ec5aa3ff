"""Images that hosts fetch from their publishers, for everybody in the cloud."""

import dataclasses
import uuid
from collections import Counter

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal import db
from portal.changes.images import FETCH, NO_FETCH
from portal.db import session, transaction
from portal.errors import Conflict, Unavailable
from portal.models import Host, Image, ImageStatus, Operation, Task, Visibility
from portal.policies import Actor, authorize
from portal.services import activities, idempotency, publishers, quotas
from portal.services.images import store
from portal.services.images.looks import find
from portal.services.operations import Part, open_operation
from portal.services.publishers import Published


@dataclasses.dataclass(frozen=True)
class _Wish:
    """What tells one request from another."""

    name: str


def published(actor: Actor) -> list[tuple[Published, Image | None]]:
    """What publishers offer, each with the image of it that is there or on its way. Nothing, to
    who may not fetch it."""
    if not actor.may("images:publish"):
        return []
    images = {
        image.published_as: image
        for image in session.scalars(
            select(Image)
            .where(Image.published_as != "", Image.deleted_at.is_(None))
            .options(joinedload(Image.open_operation))
        )
    }
    return [(each, images.get(name)) for name, each in publishers.PUBLISHED.items()]


def fetch(actor: Actor, project_id: uuid.UUID, name: str, *, key: str = "") -> Image:
    """A host fetches the published image of this name; once it is there everybody can start
    instances from it. The operation is the project's, the image belongs to none. The same `key`
    again answers with the image that it made the first time. Raises Conflict when it is there or
    on its way, Unavailable when no host answers."""
    authorize(actor, "images:publish")
    wanted = publishers.find(name)
    idempotency.check(key)
    body = idempotency.body_hash(_Wish(name))
    store.prepare()
    with transaction():
        quotas.lock(project_id)
        if made := idempotency.earlier(project_id, key, "images:fetch", body):
            return session.get_one(Image, made[0])
        db.alone(db.Purpose.FETCHING)  # from whichever project
        _refuse_second(wanted)
        image = Image(
            name=wanted.title,
            published_as=wanted.name,
            visibility=Visibility.PUBLIC,
            min_disk_gib=wanted.min_disk_gib,
            min_memory_mib=wanted.min_memory_mib,
            login_user=wanted.login_user,
        )
        session.add(image)
        session.flush()
        operation = _open(actor, image, project_id)
        activities.record(
            actor, "images:fetch", image, after={"url": wanted.url}, operation=operation
        )
        idempotency.remember(project_id, key, "images:fetch", body, [image.id])
    return image


def retry(actor: Actor, project_id: uuid.UUID, image_id: uuid.UUID) -> Operation:
    """What could not be fetched is tried once more, by another host if there is one."""
    find(actor, project_id, image_id)
    authorize(actor, "images:publish")
    store.prepare()
    with transaction():
        image = find(actor, project_id, image_id)
        session.refresh(image, with_for_update={"of": Image})
        if image.status is not ImageStatus.ERROR:
            raise Conflict(
                "{image} is {status:state}: it has not failed.",
                image=image.called,
                status=image.status,
            )
        publishers.find(image.published_as)
        image.generation += 1
        image.fault = ""
        operation = _open(actor, image, project_id)
        activities.record(actor, "images:retry", image, operation=operation)
    return operation


def stop_fetching(actor: Actor | None, image: Image, project_id: uuid.UUID | None) -> Operation:
    """The hosts that were told to fetch a deleted image are told to let it be. For use inside a
    change."""
    told = [Part(host_id, image.id) for host_id in _told(image)]
    return open_operation(actor, image, "delete", {NO_FETCH.job: told}, project_id=project_id)


def _open(actor: Actor, image: Image, project_id: uuid.UUID) -> Operation:
    part = Part(_fetcher(image).id, image.id)
    return open_operation(actor, image, "fetch", {FETCH.job: [part]}, project_id=project_id)


def _fetcher(image: Image) -> Host:
    """Of the hosts that answer and are not in maintenance, the one that was told least often to
    fetch this image: a retry takes another, should one have no way to the publisher, or not share
    the image store."""
    told = _told(image)
    hosts = [host for host in session.scalars(select(Host).order_by(Host.name)) if host.placeable]
    if not hosts:
        raise Unavailable(
            "No host answers, so none can fetch {image}. Start one: its worker and its "
            "agent. `flask doctor` says which are known.",
            image=image.called,
        )
    if not any(host.enabled for host in hosts):
        raise Unavailable(
            "Every host that answers is in maintenance, so none can fetch {image}. Take one "
            "out of maintenance on its page.",
            image=image.called,
        )
    return min((host for host in hosts if host.enabled), key=lambda host: told.get(host.id, 0))


def _told(image: Image) -> Counter:
    """How often each host was told to fetch the image, by its id."""
    hosts = session.scalars(
        select(Task.host_id)
        .join(Task.operation)
        .where(Operation.target_id == image.id, Operation.action == "fetch")
    )
    return Counter(hosts)


def _refuse_second(wanted: Published) -> None:
    there = session.scalar(
        select(Image).where(Image.published_as == wanted.name, Image.deleted_at.is_(None))
    )
    if there is None:
        return
    match there.status:
        case ImageStatus.READY:
            raise Conflict(
                "{image} is there already. To fetch it anew, delete that one first.",
                image=wanted.title,
            )
        case ImageStatus.FETCHING:
            raise Conflict("{image} is on its way already.", image=wanted.title)
        case ImageStatus.ERROR:
            raise Conflict(
                "{image} could not be fetched before. Try that one again, or delete it.",
                image=wanted.title,
            )
