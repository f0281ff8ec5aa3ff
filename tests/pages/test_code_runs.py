"""What a form shows as code is run, and does what the form does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from portal.db import session
from portal.models import ApplicationCredential, Instance, KeyPair, Network
from portal.models.host import DEFAULT_ZONE
from portal.services import instances, key_pairs, placement_groups
from tests.cloud import PASSWORD
from tests.pages.test_as_code import KEY, shown
from tests.programs import TOKENS, by_password
from tests.web import WebServer

pytestmark = pytest.mark.slow

NAME = 'it\'s "${HOME}" \\ $(x)'
WAYS = ("openstack command", "Request")


@pytest.fixture
def web(cloud, tmp_path):
    web = WebServer(tmp_path)
    web.wait()
    yield web
    web.stop()


@pytest.fixture
def alice(web):
    return web.sign_in("alice")


@pytest.fixture
def run(web):
    """Runs code as Alice would, at her own shell; what it prints."""
    import requests

    answer = requests.post(web.url + TOKENS, json=by_password("alice", "red"), timeout=20)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": "/nonexistent",
        "TOKEN": answer.headers["X-Subject-Token"],
        "OS_AUTH_URL": f"{web.url}/identity/v3",
        "OS_USERNAME": "alice",
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": "red",
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
        "OS_IDENTITY_API_VERSION": "3",
    }

    def run(code: str) -> str:
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert '"code"' not in done.stdout, done.stdout
        return done.stdout

    return run


def newest(model):
    session.rollback()
    return session.scalars(select(model).order_by(model.created_at.desc()).limit(1)).one()


def code_of(person, path: str, page: str, **fields) -> dict[str, str]:
    return shown(person.post(path, page=page, as_code="yes", **fields).text)


@pytest.mark.parametrize("way", WAYS)
def test_an_instance_is_as_the_form_would_make_it(alice, run, cloud, way):
    key_pairs.create(cloud.actor("alice"), "laptop", KEY)
    red = f"/projects/{cloud.project().id}"
    new = placement_groups.NewPlacementGroup(name="near", policy="affinity")
    group = placement_groups.create(cloud.actor("alice"), cloud.project().id, new)
    page = f"{red}/instances/new"
    wish = cloud.new_instance()
    fields = {
        "name": NAME,
        "count": "2",
        "image_id": wish.image_id,
        "flavor_id": wish.flavor_id,
        "network_id": wish.network_id,
        "group_ids": cloud.default_group(),
        "key_pair_id": newest(KeyPair).id,
        "zone": DEFAULT_ZONE,
        "placement_group_id": group.id,
        "user_data": '#!/bin/sh\r\necho "it\'s ${HOME}" > /tmp/a\r\n',
    }
    run(code_of(alice, f"{red}/instances", page, **fields)[way])
    by_code = [as_made(each) for each in made(cloud)]
    assert alice.post(f"{red}/instances", page=page, **fields).status_code == 303
    by_form = [as_made(each) for each in made(cloud)[2:]]
    assert len(by_code) == 2
    assert by_code == by_form


def made(cloud) -> list[Instance]:
    session.rollback()
    query = select(Instance).order_by(Instance.created_at, Instance.name)
    return [
        instances.told(cloud.actor("alice"), each.project_id, each.id)
        for each in session.scalars(query).all()
    ]


def as_made(instance: Instance) -> dict:
    [port] = instance.ports
    return {
        "name": instance.name,
        "flavor": instance.flavor_name,
        "image": instance.image_id,
        "network": port.network_id,
        "groups": sorted(each.name for each in port.groups),
        "key": instance.key_name,
        "zone": instance.zone,
        "placement_group": instance.placement_group_id,
        "user_data": instance.user_data,
    }


@pytest.mark.parametrize("way", WAYS)
def test_a_network_is_as_the_form_would_make_it(alice, run, cloud, way):
    red = f"/projects/{cloud.project().id}"
    fields = {"name": NAME, "cidr": "10.66.0.0/24", "nat": "y"}
    page = f"{red}/networks/new"
    run(code_of(alice, f"{red}/networks", page, **fields)[way])
    network = newest(Network)
    assert (network.name, network.nat) == (NAME, True)
    [subnet] = network.subnets
    assert subnet.cidr == "10.66.0.0/24"
    answer = alice.post(f"{red}/networks", page=page, **fields | {"cidr": "10.67.0.0/24"})
    assert answer.status_code == 303
    [other] = newest(Network).subnets
    offset = [each.replace("10.67", "10.66") for each in (other.gateway, other.dhcp_address)]
    assert offset == [subnet.gateway, subnet.dhcp_address]


@pytest.mark.parametrize("way", WAYS)
def test_a_key_is_as_the_form_would_make_it(alice, run, way):
    path, page = "/account/ssh-keys", "/account/ssh-keys/new"
    run(code_of(alice, path, page, name="laptop 2", public_key=KEY)[way])
    key_pair = newest(KeyPair)
    assert (key_pair.name, key_pair.public_key.split()[:2]) == ("laptop 2", KEY.split()[:2])


@pytest.mark.parametrize("way", WAYS)
def test_a_credential_is_as_the_form_would_make_it(alice, run, cloud, way):
    path, page = "/account/credentials", "/account/credentials/new"
    project = cloud.project().id
    fields = {"name": NAME, "project": project, "role": "reader", "days": "30"}
    run(code_of(alice, path, page, **fields)[way])
    by_code = newest(ApplicationCredential)
    assert alice.post(path, page=page, **fields | {"name": "other"}).status_code == 200
    by_form = newest(ApplicationCredential)
    assert by_code.name == NAME
    assert (by_code.role, by_code.project_id, by_code.user_id) == (
        by_form.role,
        by_form.project_id,
        by_form.user_id,
    )
    assert abs((by_code.expires_at - by_form.expires_at).total_seconds()) < 60


@pytest.mark.parametrize("way", WAYS)
def test_what_is_there_is_shown_by_its_code(alice, run, cloud, way):
    instance = cloud.running("web")
    network = session.scalar(select(Network).where(Network.project_id == cloud.project().id))
    red = f"/projects/{cloud.project().id}"
    for path in (
        f"{red}/instances/{instance.id}",
        f"{red}/networks/{network.id}",
        f"{red}/images/{instance.image_id}",
    ):
        assert path.rpartition("/")[2] in run(shown(alice.get(path).text)[way])
