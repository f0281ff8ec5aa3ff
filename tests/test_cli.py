"""What an operator types is in the record like anything else that somebody did."""

import os
import subprocess

import pytest
from sqlalchemy import select

from portal import certificates, config, create_app
from portal.db import session
from portal.errors import Forbidden
from portal.models import Activity
from portal.services import hosts, images, users
from tests.cloud import PASSWORD
from tests.services.image_files import qcow2
from tests.test_architecture import ROOT


@pytest.fixture
def typed(cloud):
    """What is printed for a command, and how it ends."""
    runner = create_app(config.current()).test_cli_runner()
    return lambda *words: runner.invoke(args=words)


def recorded(action: str) -> list[tuple[str, str]]:
    """Who did this, and to what."""
    session.rollback()
    found = session.scalars(select(Activity).where(Activity.action == action))
    return [(each.user_name, each.target_name) for each in found]


def test_commands_that_change_something_are_in_the_record(typed, tmp_path):
    file = tmp_path / "demo.qcow2"
    file.write_bytes(qcow2())
    output = tmp_path / "kvm-2.ini"
    for words in (
        ("add-host", "kvm-2", "--state", "/there", "--output", str(output)),
        ("add-image", str(file), "--name", "Demo"),
        ("create-admin", "eve"),
    ):
        assert typed(*words).exit_code == 0, words
    for action, name in (
        ("hosts:create", "kvm-2"),
        ("images:create", "Demo"),
        ("users:create", "eve"),
    ):
        assert ("the command line", name) in recorded(action)


def test_the_administrators_password_reaches_no_child_but_the_one_that_needs_it():
    """As scripts/up and scripts/dev have it; `with_password` is the positive control."""
    said = subprocess.run(
        [
            *("bash", "-euc"),
            "source scripts/install.bash; take_password; echo beside; env; bash -c env; "
            "echo needs; with_password env",
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PORTICO_ADMIN_PASSWORD": "canary of a password"},
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    beside, _, needs = said.partition("needs\n")
    assert "canary" not in beside
    assert "PORTICO_ADMIN_PASSWORD=canary of a password" in needs
    for name in ("up", "dev"):
        script = (ROOT / "scripts" / name).read_text()
        assert script.index("take_password\n") < script.index("with_password")
        assert script.index("take_password\n") < script.index("start_supervisor")


def test_a_name_that_is_taken_is_refused_in_one_line(typed):
    answer = typed("create-admin", "alice")
    assert answer.exit_code == 1
    assert answer.output == "Error: There is a user named alice already.\n"


def test_what_the_command_line_does_is_not_everybodys_to_do(cloud, tmp_path):
    alice = cloud.actor("alice")
    for attempt in (
        lambda: hosts.add(alice, "kvm-2"),
        lambda: images.register(alice, tmp_path / "none", name="Demo"),
        lambda: images.remove_strangers(alice, []),
        lambda: users.create_administrator(alice, "eve", PASSWORD),
    ):
        with pytest.raises(Forbidden):
            attempt()


def test_a_certificate_is_made_once_and_told_by_its_fingerprint(typed):
    first, again = typed("certificate"), typed("certificate")
    assert first.exit_code == 0
    assert first.output == again.output
    found = certificates.read(config.current().data_directory)
    assert f"SHA-256: {found.fingerprint}" in first.output
    assert "authority.pem" in first.output
    certificates.shown_by(config.current().data_directory).write_text("nothing\n")
    wrong = typed("certificate")
    assert wrong.exit_code == 1
    assert "portal.pem holds no certificate with its key: " in wrong.output


def names_of(address: str, more: str = "") -> list[str]:
    """By what scripts/up has a portal answer that listens there."""
    said = subprocess.run(
        ["bash", "-euc", 'source scripts/install.bash; names_of "$@"', "names", address, more],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return said.stdout.split()


def test_a_portal_for_others_answers_to_its_addresses_and_to_names_that_are_given():
    found = names_of("192.0.2.7", "cloud.example.org portal.lan")
    assert found[:3] == ["localhost", "127.0.0.1", "[::1]"]
    assert found[-3:] == ["cloud.example.org", "portal.lan", "192.0.2.7"]
    everywhere = names_of("0.0.0.0", "localhost")
    assert everywhere.count("localhost") == 1
    assert "0.0.0.0" not in everywhere
