"""Images that are announced before their bytes come in, as programs do it.

One that waits for its file does so for as long as its owner likes: nothing is under way, and it
says so. What comes in whole makes it an image like any other; what is refused leaves it waiting.
"""

import uuid
from collections.abc import Iterable

from portal.db import session, transaction
from portal.errors import Conflict
from portal.models import Image, ImageStatus, Visibility
from portal.policies import Actor, authorize
from portal.services import activities, idempotency, quotas, users
from portal.services.images import store, wishes
from portal.services.images.changes import kept, room_for
from portal.services.images.looks import find, locked, require
from portal.services.images.wishes import Edit


def announce(
    actor: Actor,
    project_id: uuid.UUID,
    wish: Edit,
    *,
    image_id: uuid.UUID | None = None,
    key: str = "",
) -> Image:
    """The project has an image that waits for its file, by this id if one is given. The same `key`
    again answers with the image that it made the first time. Raises Conflict for an id that an
    image has, or had."""
    authorize(actor, "images:create", project_id)
    idempotency.check(key)
    fields = {"name": "", "visibility": Visibility.SHARED} | wishes.of_edit(actor, wish)
    body = idempotency.body_hash((wish, image_id))
    with transaction():
        quotas.lock(project_id)
        if made := idempotency.earlier(project_id, key, "images:announce", body):
            return session.get_one(Image, made[0])
        quotas.check_image(project_id, 0)
        if image_id and session.get(Image, image_id):
            raise Conflict("There is an image of the id {id} already.", id=image_id)
        own = {"project_id": project_id, "user_id": actor.user_id}
        image = Image(id=image_id or uuid.uuid4(), **fields, **own)
        session.add(image)
        session.flush()
        activities.record(
            actor,
            "images:announce",
            image,
            after={"visibility": image.visibility.value, "format": image.format},
        )
        idempotency.remember(project_id, key, "images:announce", body, [image.id])
    return image


def awaiting(actor: Actor, project_id: uuid.UUID, image_id: uuid.UUID) -> Image:
    """The image, which waits for a file that the actor may send. Raises Conflict for one that does
    not."""
    image = find(actor, project_id, image_id)
    require(actor, "change", image)
    _refuse_second(image)
    return image


def fill(
    actor: Actor, project_id: uuid.UUID, image_id: uuid.UUID, chunks: Iterable[bytes]
) -> Image:
    """The image that waited has the bytes that `chunks` bring. Nothing is read before all that can
    be refused without them was; of what is refused half-way nothing is left, and it waits on."""
    image = awaiting(actor, project_id, image_id)
    most, too_large = room_for(image.project_id, images=0)
    with store.receive(
        chunks, most_bytes=most, too_large=too_large, announced=image.format
    ) as received:
        with kept(received), transaction():
            quotas.lock(image.project_id)
            sender = users.as_now(actor)  # who may have lost a role while the bytes came in
            image = locked(sender, "change", project_id, image_id)
            _refuse_second(image)
            quotas.check_image(image.project_id, received.size_bytes, images=0)
            image.format, image.sha256 = received.disk.format, received.sha256
            image.md5, image.size_bytes = received.md5, received.size_bytes
            image.virtual_size_bytes = received.disk.virtual_size_bytes
            activities.record(
                actor,
                "images:create",
                image,
                after={"size": f"{image.size_bytes:,} bytes", "sha256": image.sha256},
            )
    return image


def _refuse_second(image: Image) -> None:
    if image.status is not ImageStatus.WAITING or image.project_id is None:
        raise Conflict(
            "{image} is {status:state}: only an image that waits for its file is given one.",
            image=image.called,
            status=image.status,
        )
