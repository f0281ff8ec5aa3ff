"""Projects that an image is shared with. Its owner says with which; each says for itself whether
it takes the image into its lists."""

import uuid

from sqlalchemy import Select, func, select

from portal.db import session, transaction
from portal.errors import Conflict, Forbidden, NotFound, OverQuota, Refused
from portal.models import Acceptance, Image, ImageMember, Project, Visibility
from portal.policies import Actor, authorize
from portal.sentences import Sentence
from portal.services import activities, names
from portal.services.images.looks import find, locked, may

MISSING = Sentence("This image is not shared with that project.")
MOST_MEMBERS = 128  # as Glance's image_member_quota


def members(
    actor: Actor, project_id: uuid.UUID, image_id: uuid.UUID
) -> list[tuple[ImageMember, Project]]:
    """The projects that the image is shared with, in the order in which they came; to those that
    are among them, they themselves alone."""
    image = find(actor, project_id, image_id)
    query = (
        select(ImageMember, Project)
        .join(Project, Project.id == ImageMember.project_id)
        .where(ImageMember.image_id == image.id)
    )
    if not _is_owner(actor, project_id, image):
        query = query.where(ImageMember.project_id == project_id)
    ordered = query.order_by(ImageMember.created_at, ImageMember.id)
    return [(member, project) for member, project in session.execute(ordered)]


def member(
    actor: Actor, project_id: uuid.UUID, image_id: uuid.UUID, member_id: uuid.UUID
) -> ImageMember:
    """The part of that project in the image. Raises NotFound."""
    for found, _ in members(actor, project_id, image_id):
        if found.project_id == member_id:
            return found
    raise NotFound.saying(MISSING)


def share(
    actor: Actor, project_id: uuid.UUID, image_id: uuid.UUID, name_or_id: uuid.UUID | str
) -> ImageMember:
    """The image is shared with that project too, which has yet to accept it. Raises Forbidden for
    an image that is not its project's to share, Conflict for a project that is among them."""
    find(actor, project_id, image_id)
    with transaction():
        image = locked(actor, "share", project_id, image_id)
        if image.visibility is not Visibility.SHARED or image.project_id is None:
            raise Forbidden(
                "Only shared images are given to other projects. Make {image} one that is shared.",
                image=image.called,
            )
        project = _project(name_or_id)
        if project.id == image.project_id:
            raise Refused("{project} has the image already.", project=project.name, field="project")
        if _found(image, project.id):
            raise Conflict(
                "{image} is shared with {project} already.",
                image=image.called,
                project=project.name,
            )
        count = select(func.count()).where(ImageMember.image_id == image.id)
        if session.scalar(count.select_from(ImageMember)) >= MOST_MEMBERS:
            raise OverQuota("An image is shared with at most {most} projects.", most=MOST_MEMBERS)
        found = ImageMember(image_id=image.id, project_id=project.id)
        session.add(found)
        session.flush()
        activities.record(actor, "images:share", image, after={"project": project.name})
    return found


def unshare(actor: Actor, project_id: uuid.UUID, image_id: uuid.UUID, member_id: uuid.UUID) -> None:
    """The image is shared with that project no longer. What it has started from it goes on."""
    find(actor, project_id, image_id)
    with transaction():
        image = locked(actor, "share", project_id, image_id)
        _refuse_own(image, member_id)
        found = _found(image, member_id)
        if found is None:
            raise NotFound.saying(MISSING)
        project = session.get_one(Project, member_id)
        activities.record(actor, "images:unshare", image, before={"project": project.name})
        session.delete(found)


def accept(
    actor: Actor,
    project_id: uuid.UUID,
    image_id: uuid.UUID,
    member_id: uuid.UUID,
    answer: Acceptance,
) -> ImageMember:
    """The project that the actor speaks for has said so to the image that is shared with it. Raises
    Forbidden for who speaks for another."""
    image = find(actor, project_id, image_id)
    authorize(actor, "images:accept", project_id)
    _refuse_own(image, member_id)
    if member(actor, project_id, image_id, member_id).project_id != project_id:
        raise Forbidden("Only that project itself says whether it takes the image.")
    with transaction():
        found = session.scalar(_of(image, project_id).with_for_update())
        if found is None:
            raise NotFound.saying(MISSING)
        found.status = answer
        name = session.get_one(Project, project_id).name
        activities.record(
            actor, "images:accept", image, after={"project": name, "answer": answer.value}
        )
    return found


def _refuse_own(image: Image, member_id: uuid.UUID) -> None:
    if image.project_id == member_id:
        raise Conflict("{image} is that project's own.", image=image.called)


def _is_owner(actor: Actor, project_id: uuid.UUID | None, image: Image) -> bool:
    return project_id in (None, image.project_id) or may(actor, "change", image)


def _found(image: Image, project_id: uuid.UUID) -> ImageMember | None:
    return session.scalar(_of(image, project_id))


def _of(image: Image, project_id: uuid.UUID) -> Select:
    """The query for the part of this project in the image."""
    theirs = (ImageMember.image_id == image.id, ImageMember.project_id == project_id)
    return select(ImageMember).where(*theirs)


def _project(name_or_id: uuid.UUID | str) -> Project:
    """Whoever shares says with whom, by a name or an id that they were told."""
    wanted = Project.id == name_or_id
    if isinstance(name_or_id, str):
        wanted = Project.name == names.label(name_or_id, field="project")
    found = session.scalar(select(Project).where(wanted, Project.deletion_asked_at.is_(None)))
    if found is None:
        raise NotFound(
            "There is no such project. Ask who works in it what it is called.", field="project"
        )
    return found
