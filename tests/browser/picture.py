"""Take the picture of the README anew: python -m tests.browser.picture"""

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from sqlalchemy import select

from portal.db import session, transaction
from portal.models import Flavor, Instance, Role
from portal.services import instances, projects
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.site import ROOT, Site
from tests.servers import RedisServer

PICTURE = ROOT / "static" / "readme" / "instances.png"
SIZE = {"width": 1280, "height": 620}
PROJECT = "webshop"
FLAVORS = {"medium": (2, 4096, 20), "huge": (8, 16_384, 80)}
INSTANCES = {  # name: flavor, days since
    "web-1": ("medium", 41),
    "web-2": ("medium", 41),
    "db": ("huge", 40),
    "monitoring": ("small", 23),
    "build-runner": ("large", 12),
    "mail-relay": ("small", 9),
    "search": ("large", 2),
    "staging": ("medium", 0),
}
NO_ROOM = "the disk needs 40 GiB, and 12 GiB are free"


def furnish(site: Site) -> str:
    """A project of some age, with instances in many states. Returns the path of their list."""
    cloud = site.cloud
    project = projects.create(cloud.actor("ada"), PROJECT)
    projects.set_member(cloud.actor("ada"), project.id, "alice", Role.ADMIN)
    with transaction():
        for name, (vcpus, memory_mib, disk_gib) in FLAVORS.items():
            size = {"vcpus": vcpus, "memory_mib": memory_mib, "disk_gib": disk_gib}
            session.add(Flavor(name=name, **size))
    alice, made = cloud.actor("alice"), {}
    for name, (flavor, _) in INSTANCES.items():
        cloud.settle()
        if name == "search":
            instances.stop(alice, project.id, made["mail-relay"].id)
            cloud.settle()
            cloud.hosts["kvm-1"].fail("ensure_disk", NO_ROOM, permanent=True)
        flavor_id = session.scalar(select(Flavor.id).where(Flavor.name == flavor))
        made[name] = cloud.create(name, project=PROJECT, flavor_id=flavor_id)
    with transaction():
        for row in session.scalars(select(Instance).where(Instance.project_id == project.id)):
            row.created_at -= timedelta(days=INSTANCES[row.name][1])
    instances.reboot(alice, project.id, made["web-2"].id)
    return f"/projects/{project.id}/instances"


def take(site: Site) -> None:
    """The picture shows the list as it is."""
    path = furnish(site)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(
            base_url=site.url, viewport=SIZE, color_scheme="light", reduced_motion="reduce"
        )
        context.add_cookies([site.cookie("alice")])
        page = context.new_page()
        page.goto(path)
        page.screenshot(path=PICTURE)
        browser.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        redis = RedisServer(Path(directory))
        redis.start()
        site = Site(Path(directory), redis.url, patch)
        take(site)
        site.stop()
        redis.stop()


if __name__ == "__main__":
    main()
