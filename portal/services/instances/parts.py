"""What a host has to do for an instance."""

from sqlalchemy import select

from portal.changes.images import COPY
from portal.changes.instances import GONE, MAKE
from portal.db import session
from portal.models import Host, Image, Instance
from portal.services.operations import Part, Parts, table_parts
from portal.services.scopes import Raised


def parts(instance: Instance, tables: list[Raised], *, cached: bool) -> Parts:
    """What the instance's own host has to do to change it. `tables` are those that name it: what
    keeps other hosts from taking theirs is no concern of the instance's. `cached` is whether its
    host has the image. Call it for what has a host."""
    return {
        **table_parts(tables, instance.host_id),
        MAKE.job: [Part(instance.host_id, instance.id)],
        GONE.job: [Part(instance.host_id, instance.id)],
        COPY.job: [] if cached else [Part(instance.host_id, instance.image_id)],
    }


def cached(instance: Instance) -> bool:
    """Whether the host of the instance has its image, or it needs none."""
    if instance.image_id is None:
        return True
    have, sha256 = session.execute(
        select(Host.images, Image.sha256)
        .join(Image, Image.id == instance.image_id)
        .where(Host.id == instance.host_id)
    ).one()
    return sha256 in have
