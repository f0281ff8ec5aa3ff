"""What may be changed of an image that is there: what is said of it, never its bytes."""

import uuid
from collections.abc import Callable, Sequence

from portal.db import session, transaction
from portal.errors import Conflict, Forbidden, NotFound, Refused
from portal.models import Image, Visibility
from portal.policies import Actor
from portal.services import activities
from portal.services.details import Details, checked
from portal.services.images import wishes
from portal.services.images.looks import find, locked
from portal.services.images.wishes import Edit, NewImage


def change(actor: Actor, project_id: uuid.UUID, image_id: uuid.UUID, new: NewImage) -> Image:
    """The image has the name, the visibility and the needs of `new` from now on."""
    find(actor, project_id, image_id)
    with transaction():
        image = locked(actor, "change", project_id, image_id)
        fields = wishes.of_new(actor, new)
        _refuse_narrowing(image, new.visibility)
        activities.alter(actor, "images:change", image, fields)
    return image


def edit(
    actor: Actor, project_id: uuid.UUID, image_id: uuid.UUID, revise: Callable[[Image], Edit]
) -> Image:
    """Of the image is said what `revise` makes of it as it is, which nobody changes meanwhile."""
    find(actor, project_id, image_id)
    with transaction():
        image = locked(actor, "change", project_id, image_id)
        wish = revise(image)
        fields = wishes.of_edit(actor, wish)
        if wish.visibility is not None:
            _refuse_narrowing(image, wish.visibility)
        if wish.format not in (None, image.format) and image.ready:
            raise Forbidden("The bytes of {image} are there: its format stays.", image=image.called)
        if altered := {name: each for name, each in fields.items() if getattr(image, name) != each}:
            activities.alter(actor, "images:change", image, altered)
    return image


def describe(actor: Actor, project_id: uuid.UUID, image_id: uuid.UUID, details: Details) -> Image:
    """The image has these details. Raises Refused."""
    find(actor, project_id, image_id)
    with transaction():
        image = locked(actor, "change", project_id, image_id)
        activities.alter(actor, "images:change", image, checked(details))
    return image


def tag(actor: Actor, project_id: uuid.UUID, image_id: uuid.UUID, text: str) -> None:
    """The image bears this tag too."""
    edit(actor, project_id, image_id, lambda image: Edit(tags=[*image.tags, text]))


def untag(actor: Actor, project_id: uuid.UUID, image_id: uuid.UUID, text: str) -> None:
    """The image bears this tag no longer. Raises NotFound for one that it does not bear."""

    def without(image: Image) -> Edit:
        tags: Sequence[str] = image.tags
        if text not in tags:
            raise NotFound("{image} has no tag {tag}.", image=image.called, tag=text)
        return Edit(tags=[each for each in tags if each != text])

    edit(actor, project_id, image_id, without)


def protect(
    actor: Actor, project_id: uuid.UUID, image_id: uuid.UUID, *, protected: bool = True
) -> Image:
    """Nobody deletes the image, or, unless it shall be `protected` any longer, whoever may."""
    find(actor, project_id, image_id)
    with transaction():
        image = locked(actor, "change", project_id, image_id)
        verb = "protect" if protected else "unprotect"
        activities.alter(actor, f"images:{verb}", image, {"protected": protected})
    return image


def activate(
    actor: Actor, project_id: uuid.UUID, image_id: uuid.UUID, *, active: bool = True
) -> Image:
    """Instances start from the image and its bytes are read again, or, unless it shall be
    `active` any longer, by nobody but administrators of the cloud. Raises Conflict before its
    bytes are there."""
    find(actor, project_id, image_id)
    with transaction():
        image = locked(actor, "change", project_id, image_id)
        if not image.ready:
            raise Conflict("{image} has no bytes yet.", image=image.called)
        if image.deactivated == active:
            action = "images:reactivate" if active else "images:deactivate"
            activities.alter(actor, action, image, {"deactivated": not active})
        session.flush()
    return image


def _refuse_narrowing(image: Image, visibility: Visibility) -> None:
    if image.project_id is None and visibility is not Visibility.PUBLIC:
        raise Refused(
            "{image} belongs to no project, so it stays public.",
            image=image.called,
            field="visibility",
        )
