"""Ansible's openstack.cloud modules: a playbook makes what it says, and the second time nothing."""

import json
import os
import subprocess

import pytest
import yaml

from tests.stack import PASSWORD, ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(900), pytest.mark.xdist_group("interop")]
BIN = ROOT / ".test/clients/bin"  # where scripts/test --long puts it


@pytest.fixture
def play(stack, tmp_path):
    """Runs the playbook: what it changed, by the names of its modules."""
    auth = {
        "auth_url": f"{stack.url}/identity/v3",
        "username": "admin",
        "password": PASSWORD,
        "project_name": "home",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(yaml.safe_dump({"clouds": {"portico": {"auth": auth}}}))
    disk, key = tmp_path / "disk.raw", tmp_path / "key"
    disk.write_bytes(bytes(2**20))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    given = {
        "password": "lantern 7 gravel",
        "public_key": key.with_suffix(".pub").read_text().strip(),
        "disk": str(disk),
        "ansible_python_interpreter": str(BIN / "python"),
    }

    def play() -> list[str]:
        done = subprocess.run(
            [
                *(BIN / "ansible-playbook", "-i", "localhost,"),
                *("-e", json.dumps(given), ROOT / "tests/interop/playbook.yml"),
            ],
            env=os.environ
            | {
                "OS_CLIENT_CONFIG_FILE": str(clouds),
                "ANSIBLE_HOME": str(tmp_path / "ansible"),
                "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            },
            capture_output=True,
            text=True,
        )
        [played] = json.loads(done.stdout)["plays"]
        became = [(each["task"]["name"], each["hosts"]["localhost"]) for each in played["tasks"]]
        failed = [(name, each["msg"]) for name, each in became if each.get("failed")]
        assert not done.returncode, failed
        return [name for name, each in became if each["changed"]]

    return play


def test_what_a_playbook_says_is_made_once(play):
    assert "openstack.cloud.server" in play()
    assert play() == []
