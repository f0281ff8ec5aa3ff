"""What forms and pages show as code: that it is there, what Terraform is told, and that whatever a
name holds is that name again. That commands and requests do what the form does is in
`test_code_runs.py`.
"""

import html
import json
import re
import shlex
import subprocess
import uuid

import pytest
from sqlalchemy import select

from portal.db import session
from portal.models import ApplicationCredential, Image, Instance, KeyPair, Network
from portal.pages import as_code
from portal.pages.as_code import application_credentials, instances, key_pairs, networks
from portal.services.instances import NewInstance
from tests import golden

KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4P4c8tA3rD9m7m7v2Q0oTq2B9c6y3v1n8m5x7l2kQe alice@laptop"
)
SOMEBODY = uuid.UUID(int=7)
HOSTILE = [
    "a'b\"c",
    "$(reboot) `reboot` ${HOME} %{if} $${x}",
    "-x --help",
    'back\\slash \\" end\\',
    "ünïcode 名前 ; & | > < * ? ! # ~",
    '"}]}\' || true; resource "x" {',
    "NETWORK",
    "${count.index}",
]


def shown(page: str) -> dict[str, str]:
    """What a page shows as code, by the name of each block."""
    blocks = re.findall(r'aria-label="([^"]+)">([^<]*)</pre>', page)
    return {name: html.unescape(text) for name, text in blocks}


def words(command: str) -> list[str]:
    """As a shell would read it."""
    return shlex.split(command.replace("\\\n", " "))


@pytest.fixture
def web():
    from flask import Flask

    with Flask("nobody").test_request_context(base_url="https://cloud.example"):
        yield


def wish(name: str, **more) -> NewInstance:
    ids = {
        each: f"00000000-0000-4000-8000-00000000000{number}"
        for number, each in enumerate(("project_id", "flavor_id", "image_id", "network_id"))
    }
    return NewInstance(name=name, **ids | more)


def every(name: str) -> list[as_code.Code]:
    return [
        instances.to_create(wish(name, user_data=name), key=name, groups=[name], pasted=False),
        networks.to_create(name, "10.7.0.0/24", nat=True),
        key_pairs.to_create(name, KEY),
        application_credentials.to_create(SOMEBODY, name, None, None),
    ]


def read_by_a_shell(command: str) -> list[str]:
    """Every word that a shell gives to the programs of a command, none of which there is."""
    programs = "\n".join(
        f"{each}() {{ printf '%s\\0' \"$@\" >&2; }}" for each in ("openstack", "curl", "sed")
    )
    done = subprocess.run(
        ["/bin/bash", "-c", f"{programs}\n{command}"],
        env={"PATH": "/nowhere"},
        capture_output=True,
        check=True,
    )
    return done.stderr.decode().split("\0")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_shell_reads_every_name_back(web, name):
    for code in every(name):
        given = read_by_a_shell(code.command)
        assert given[given.index("--") + 1] == name
        given = read_by_a_shell(code.request)
        bodies = [json.loads(given[at + 1]) for at, each in enumerate(given) if each == "-d"]
        assert bodies
        for body in bodies:
            [said] = body.values()
            assert said["name"] == name


@pytest.mark.parametrize("name", HOSTILE)
def test_a_body_holds_the_name_as_it_is(web, name):
    code = instances.to_create(wish(name), key=name, groups=[name], pasted=False)
    given = words(code.request)
    server = json.loads(given[given.index("-d") + 1])["server"]
    assert (server["name"], server["key_name"]) == (name, name)
    assert server["security_groups"] == [{"name": name}]


def read_by_terraform(text: str) -> str:
    """What stands inside its quotes, by its rules. Raises ValueError for an expression."""
    found = ""
    for number, letter, sign, plain in re.findall(
        r'\\u([0-9a-f]{4})|\\([nrt"\\])|([$%])\3(?=\{)|([$%]\{|[^"\n])', text
    ):
        if plain in ("${", "%{"):
            raise ValueError(text)
        found += chr(int(number, 16)) if number else ""
        found += {"n": "\n", "r": "\r", "t": "\t"}.get(letter, letter) + sign + plain
    return found


@pytest.mark.parametrize("name", [*HOSTILE, "two\nlines\tand\x01more"])
def test_terraform_reads_every_name_back(name):
    assert read_by_terraform(as_code.template(name)) == name


@pytest.mark.parametrize("name", [*HOSTILE, "", "9lives", "web 1", "名前"])
def test_terraform_has_a_word_for_everything(name):
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", as_code.identifier(name))


def test_what_terraform_is_told(web):
    cases = {
        "instances": instances.to_create(
            wish("web", user_data="#cloud-config\npackages: [nginx]\n", count=3),
            key="laptop",
            groups=["default", "web"],
            pasted=False,
        ),
        "networks": networks.to_create("lan", "10.7.0.0/24", nat=True),
        "key_pairs": key_pairs.to_create("laptop", KEY),
        "application_credentials": application_credentials.to_create(
            SOMEBODY, "ci", application_credentials.Role.MEMBER, None
        ),
    }
    text = "".join(f"# {name}\n{code.terraform}\n\n" for name, code in cases.items())
    golden.assert_same("as_code.tf", text)


FORMS = {
    "{red}/networks": (
        "{red}/networks/new",
        {"name": "lan", "cidr": "10.7.0.0/24", "nat": "y"},
        Network,
    ),
    "/account/ssh-keys": ("/account/ssh-keys/new", {"name": "laptop", "public_key": KEY}, KeyPair),
    "{red}/instances": ("{red}/instances/new", None, Instance),
    "/account/credentials": (
        "/account/credentials/new",
        {"name": "ci", "project": "", "role": "reader", "days": "90"},
        ApplicationCredential,
    ),
}


@pytest.mark.parametrize("path", FORMS)
def test_a_form_shows_what_it_would_do_and_does_nothing(alice, red, path):
    page, fields, model = FORMS[path]
    page, path = page.format(red=red), path.format(red=red)
    before = session.scalars(select(model.id)).all()
    session.rollback()
    assert "Show as code" in alice.open(page).text
    answer = alice.send(path, (fields or alice.fields(page)) | {"as_code": "yes"}, page=page)
    assert answer.status_code == 200
    code = shown(answer.text)
    assert code["openstack command"]
    assert code["Terraform"].startswith("resource ")
    assert "X-Auth-Token: $TOKEN" in code["Request"]
    assert session.scalars(select(model.id)).all() == before


def test_who_may_not_create_is_shown_nothing(sign_in, red):
    rita = sign_in("rita")
    for path in (f"{red}/networks", f"{red}/instances"):
        answer = rita.send(path, {"as_code": "yes"}, page="/account/ssh-keys/new")
        assert answer.status_code == 403, path


def test_a_private_key_is_not_in_the_code(alice):
    secret = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----"
    page = "/account/ssh-keys/new"
    fields = {"name": "laptop", "public_key": secret, "as_code": "yes"}
    assert "PRIVATE KEY" not in alice.send("/account/ssh-keys", fields, page=page).text


def test_what_is_there_is_shown_as_code_on_its_page(alice, red, cloud):
    instance = cloud.running("web")
    network = session.scalar(select(Network).where(Network.project_id == cloud.project().id))
    image = session.scalar(select(Image).where(Image.name == "Demo Linux"))
    for path, thing in (
        (f"{red}/instances/{instance.id}", instance),
        (f"{red}/networks/{network.id}", network),
        (f"{red}/images/{image.id}", image),
    ):
        code = shown(alice.open(path).text)
        assert str(thing.id) in code["openstack command"]
        assert code["Request"].splitlines()[0].startswith("curl -sS")
        assert f'id = "{thing.id}"' in code["Terraform"]
