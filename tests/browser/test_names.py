"""A name that would do harm, wherever a name can be given, is text on every page."""

import pytest
from sqlalchemy import select

from portal.db import session, transaction
from portal.models import (
    Aggregate,
    ApplicationCredential,
    Flavor,
    Group,
    Image,
    KeyPair,
    Network,
    PlacementGroup,
    Policy,
    Project,
    Role,
    SecurityGroup,
    User,
    Visibility,
)
from portal.services import (
    access_keys,
    application_credentials,
    grants,
    groups,
    instances,
    networks,
    projects,
    security_groups,
    users,
)
from tests.cloud import PASSWORD
from tests.routes import MAKERS, routes

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CANARY = """<img src=x onerror=alert(1)>"'{{7*7}}"""
NAMED = {  # arguments of URLs that tests/routes.py finds by names of its own
    "network_id": Network,
    "image_id": Image,
    "flavor_id": Flavor,
    "group_id": Group,
    "user_id": User,
    "key_pair_id": KeyPair,
    "aggregate_id": Aggregate,
    "placement_group_id": PlacementGroup,
    "security_group_id": SecurityGroup,
    "credential_id": ApplicationCredential,
    "application_credential_id": ApplicationCredential,
}
HARM = """() => document.querySelectorAll("img, [onerror]").length"""


@pytest.fixture(scope="module")
def caged(site) -> dict:
    """A value for every argument of a URL: of things that all bear the canary as their name."""
    cloud = site.cloud
    ada = cloud.actor("ada")
    project = projects.create(ada, CANARY)
    owner = users.create(ada, CANARY, PASSWORD, must_change=False)
    projects.set_member(ada, project.id, CANARY, Role.ADMIN)
    groups.add(ada, groups.create(ada, CANARY).id, owner.id)
    grants.set_group(ada, project.id, CANARY, Role.MEMBER)
    _furnish(project, owner, ada.user_id)
    cloud.hosts["kvm-1"].fail("ensure_disk", CANARY, permanent=True)
    wish = cloud.new_instance(CANARY, CANARY, user_data=f"#!/bin/sh\n{CANARY}")
    instances.create(users.actor_of(owner), wish)
    networks.create(ada, project.id, CANARY, "10.7.0.0/24", nat=True)
    security_groups.create(ada, project.id, CANARY)
    new = application_credentials.NewCredential(project_id=project.id, name=CANARY)
    application_credentials.create(ada, ada.user_id, new)
    access_keys.create(ada, ada.user_id, project.id, description=CANARY)
    cloud.settle()
    project = session.merge(project)
    found = {name: maker(cloud, project) for name, maker in MAKERS.items() if name not in NAMED} | {
        name: session.scalar(select(model.id).where(model.name == CANARY))
        for name, model in NAMED.items()
    }
    session.rollback()
    return found


def _furnish(project: Project, owner: User, ada) -> None:
    with transaction():
        session.add(Flavor(name=CANARY, vcpus=1, memory_mib=512, disk_gib=1))
        session.add(
            Image(
                name=CANARY,
                project_id=project.id,
                user_id=owner.id,
                visibility=Visibility.SHARED,
                format="raw",
                sha256="c" * 64,
                size_bytes=2**20,
                virtual_size_bytes=2**20,
            )
        )
        owned = {"project_id": project.id, "user_id": owner.id}
        session.add(PlacementGroup(name=CANARY, policy=Policy.APART, **owned))
        session.add(Aggregate(name=CANARY, zone=CANARY, properties={CANARY: CANARY}))
        key = {"public_key": f"ssh-ed25519 {CANARY}", "fingerprint": "SHA256:caged"}
        session.add(KeyPair(name=CANARY, user_id=ada, **key))


def test_a_name_is_text_on_every_page(site, window, caged):
    page = window("ada")
    shown = []
    for route in routes(site.app):
        path = route.path(site.app, caged)
        if route.method != "GET" or not page.request.get(path).text().startswith("<!doctype"):
            continue
        page.goto(path)
        assert page.evaluate(HARM) == 0, path
        text = page.locator("body").text_content()
        if CANARY in text:
            shown.append(route.endpoint)
        if "project_id" in route.arguments:
            assert CANARY in page.title(), path
            assert CANARY in text, path
    assert {
        "admin.users.index",
        "admin.flavors.index",
        "key_pairs.index",
        "application_credentials.index",
        "admin.audit.index",
    } <= set(shown)
