"""The bench measures what it means to, whatever else lies in the installation."""

import dataclasses

import pytest
from sqlalchemy import select

from portal.db import session, transaction
from portal.models import (
    Flavor,
    Image,
    Instance,
    Network,
    Port,
    Project,
    Quota,
    User,
    Visibility,
)
from tests.bench import ground
from tests.bench.portal import Portal
from tests.cloud import PASSWORD
from tests.web import WebServer


@pytest.fixture
def portal(cloud, tmp_path):
    """The bench's client of a web process, signed in as Ada."""
    with transaction():
        session.scalar(select(User).where(User.name == "ada")).must_change_password = False
    web = WebServer(tmp_path)
    try:
        web.wait()
        yield Portal(web.url, "ada", PASSWORD)
    finally:
        web.stop()


@pytest.fixture
def used_cloud(cloud):
    """Somebody has uploaded images, one of the demo image's name among them, and used up what
    the other projects may hold; the smallest flavor is too small for anything."""
    with transaction():
        demo = session.scalar(select(Image))
        for name in ("Demo Linux", "Uploaded"):
            session.add(
                Image(
                    name=name,
                    project_id=cloud.project().id,
                    visibility=Visibility.PUBLIC,
                    format="qcow2",
                    sha256="e" * 64,
                    size_bytes=demo.size_bytes,
                    virtual_size_bytes=demo.virtual_size_bytes,
                )
            )
        session.add(Flavor(name="tiny", vcpus=1, memory_mib=64, disk_gib=1))
        for project in session.scalars(select(Project)):
            session.add(Quota(project_id=project.id, resource="instances", limit=0))
    return cloud


def test_an_instance_of_the_bench_is_what_the_bench_says(used_cloud, portal):
    demo = session.scalar(select(Image.id).order_by(Image.created_at))
    for _ in range(2):  # what one run leaves does not stop the next
        with ground.prepared(portal):
            portal.create(portal.form("bench-one"))
            used_cloud.settle()
            assert list(portal.instances("bench-one").values()) == ["Running"]
            instance = _newest()
            project = session.get(Project, instance.project_id)
            assert (project.name, instance.image_id) == (ground.NAME, demo)
            assert (instance.vcpus, instance.memory_mib) == (1, 512)
            assert _network_of(instance) == ground.NAME
            [path] = portal.instances("bench-one")
            portal.change(f"{path}/delete", {"confirm": "bench-one"})
            used_cloud.settle()


def test_the_bench_leaves_a_name_and_nothing_else(used_cloud, portal):
    flavors = _names(Flavor)
    with ground.prepared(portal):
        assert dataclasses.astuple(portal.ground)[0] == f"/projects/{_project().id}"
    used_cloud.settle()
    assert _names(Flavor) == flavors
    assert not _project().enabled
    left = select(Network.name).where(
        Network.project_id == _project().id, Network.deleted_at.is_(None)
    )
    assert session.scalars(left).all() == []


def _newest() -> Instance:
    session.rollback()
    return session.scalars(select(Instance).order_by(Instance.created_at.desc())).first()


def _network_of(instance: Instance) -> str:
    return session.scalar(select(Network.name).join(Port).where(Port.owner_id == instance.id))


def _project() -> Project:
    session.rollback()
    query = select(Project).where(Project.name == ground.NAME)
    return session.scalar(query.execution_options(populate_existing=True))


def _names(model) -> list[str]:
    session.rollback()
    return sorted(session.scalars(select(model.name)))
