"""What the bench measures on, whatever else lies in the installation: a project, a flavor and a
network of its own, and the demo image by its name."""

import contextlib
import uuid
from collections.abc import Iterator

from sqlalchemy import Select, select

from portal.db import session
from portal.models import Flavor, Image, Network, Project, Visibility
from tests.bench.portal import Ground, Portal

NAME = "portico-bench"  # of project, flavor and network
IMAGE = "Demo Linux"  # what scripts/up builds
SIZE = {"vcpus": 1, "memory_mib": 512, "disk_gib": 5}
CIDR = "10.254.0.0/24"
INSTANCES = 40  # more than there are at once


@contextlib.contextmanager
def prepared(portal: Portal) -> Iterator[None]:
    """Instances of `portal` are made on this ground, which holds nothing before and after. The
    project stays, since projects do; nobody works in it."""
    project_id = _project(portal)
    portal.ground = Ground(
        project=f"/projects/{project_id}",
        image_id=_image(),
        flavor_id=_flavor(portal),
        network_id=_network(portal, project_id),
    )
    portal.delete()
    try:
        yield
    finally:
        portal.delete()
        _clear(portal, project_id)


def _project(portal: Portal) -> str:
    query = select(Project.id).where(Project.name == NAME)
    if not _id(query):
        portal.change("/admin/projects", {"name": NAME}, page="/admin/projects/new")
    project_id = _id(query)
    place = f"/admin/projects/{project_id}"
    portal.change(f"{place}/enable", {}, page=place)
    room = {name: INSTANCES * amount for name, amount in SIZE.items()}
    quota = {"instances": INSTANCES, "networks": 10, **room}
    portal.change(f"{place}/quotas", quota, page=place)
    return project_id


def _image() -> str:
    """The one that was there first, should others bear its name."""
    query = select(Image.id).where(
        Image.name == IMAGE,
        Image.visibility == Visibility.PUBLIC,
        Image.project_id.is_(None),
        Image.deleted_at.is_(None),
    )
    if image_id := _id(query.order_by(Image.created_at).limit(1)):
        return image_id
    raise SystemExit(f"bench: there is no public image named {IMAGE}, which scripts/up makes")


def _flavor(portal: Portal) -> str:
    query = select(Flavor.id).where(Flavor.name == NAME)
    if known := _id(query):
        portal.change(f"/admin/flavors/{known}/delete", {"confirm": NAME})
    portal.change("/admin/flavors", {"name": NAME, **SIZE}, page="/admin/flavors/new")
    return _id(query)


def _network(portal: Portal, project_id: str) -> str:
    query = _networks(project_id).where(Network.name == NAME).with_only_columns(Network.id)
    if not _id(query):
        place = f"/projects/{project_id}/networks"
        asked = {"name": NAME, "cidr": CIDR, "nat": "y"}
        portal.change(place, asked, page=f"{place}/new")
    return _id(query)


def _clear(portal: Portal, project_id: str) -> None:
    """Nothing of the ground is left but the name of its project; a network that a guest would
    not leave is there for the next run."""
    session.rollback()
    for network in session.scalars(_networks(project_id)).all():
        place = f"/projects/{project_id}/networks/{network.id}/delete"
        portal.send(place, {"confirm": network.name})
    portal.change(f"/admin/flavors/{portal.ground.flavor_id}/delete", {"confirm": NAME})
    place = f"/admin/projects/{project_id}"
    portal.change(f"{place}/disable", {}, page=place)


def _networks(project_id: str) -> Select:
    return select(Network).where(
        Network.project_id == uuid.UUID(project_id), Network.deleted_at.is_(None)
    )


def _id(query: Select) -> str:
    """As a form sends it; "" when there is none."""
    session.rollback()
    found = session.scalar(query)
    return str(found or "")
