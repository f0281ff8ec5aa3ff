"""What a host has to do for an instance."""

from sqlalchemy import select

from portal.changes.images import COPY
from portal.changes.instances import GONE, MAKE
from portal.db import session
from portal.models import Host, Image, Instance
from portal.services.operations import Part, Parts, table_parts
from portal.services.scopes import Raised


def parts(instances: list[Instance], tables: list[Raised]) -> list[Parts]:
    """Of each instance, what its own host has to do to change it. `tables` are those that name
    it: what keeps other hosts from taking theirs is no concern of the instance's. The image is
    left out where its host has it. Call it for what has a host."""
    hosts, images = {each.host_id for each in instances}, {each.image_id for each in instances}
    have = dict(session.execute(select(Host.id, Host.images).where(Host.id.in_(hosts))).all())
    sums = dict(session.execute(select(Image.id, Image.sha256).where(Image.id.in_(images))).all())
    return [
        {
            **table_parts(tables, each.host_id),
            MAKE.job: [Part(each.host_id, each.id)],
            GONE.job: [Part(each.host_id, each.id)],
            COPY.job: []
            if each.image_id is None or sums[each.image_id] in have[each.host_id]
            else [Part(each.host_id, each.image_id)],
        }
        for each in instances
    ]
