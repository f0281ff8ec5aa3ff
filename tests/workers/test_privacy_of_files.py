"""What an earlier version left open to every local user is closed when a worker starts."""

import stat

import pytest

from workers import host
from workers.config import HostConfig
from workers.drivers import privacy
from workers.drivers.fake import FakeHost

GUEST, IMAGE = "0b6f6a1e-8c1c-4b8e-9d5e-3f1f1a2b3c4d", "a" * 64
OTHERS, GROUP = stat.S_IRWXO, stat.S_IRWXG


def modes(top) -> dict[str, int]:
    found = {"": stat.S_IMODE(top.stat().st_mode)}
    for path in top.rglob("*"):
        found[str(path.relative_to(top))] = stat.S_IMODE(path.stat().st_mode)
    return found


@pytest.mark.real
def test_disks_and_notes_of_an_earlier_version_are_closed(config):
    state = config.state_directory
    for name in (
        f"instances/{GUEST}/root.qcow2",
        f"instances/{GUEST}/seed.iso",
        f"instances/{GUEST}/boot.log",
        f"cache/{IMAGE}",
        "tables/firewall.json",
        f"networks/{GUEST}.json",
        "accelerator.json",
    ):
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a secret")
        path.chmod(0o644)
    for folder in (state, state / "instances", state / "instances" / GUEST, state / "cache"):
        folder.chmod(0o711)
    assert any(mode & OTHERS for mode in modes(state).values()), "the control"
    privacy.ensure(config)
    found = modes(state)
    assert not {name for name, mode in found.items() if mode & OTHERS}
    reached = {"", "instances", f"instances/{GUEST}", "cache", f"cache/{IMAGE}"}
    assert {name for name, mode in found.items() if mode & GROUP} == reached
    assert not any(mode & stat.S_IWGRP for mode in found.values())
    for name in reached:
        assert (state / name).stat().st_gid == privacy.group_id(config)


@pytest.mark.real
def test_a_host_whose_qemu_has_no_group_of_its_own_does_not_start(config):
    nobody = HostConfig(**{**vars(config), "guest_group": "no-such-group"})
    with pytest.raises(RuntimeError, match="set guest_group"):
        privacy.ensure(nobody)


def test_a_fake_host_keeps_its_guests_to_itself(tmp_path):
    state = tmp_path / "fake"
    FakeHost(state)
    state.chmod(0o755)
    fake = HostConfig(name="a", key="", redis_url="", state_directory=state, driver="fake")
    host.prepare(fake)
    assert {name: mode for name, mode in modes(state).items() if name != "run"} == {
        "": 0o700,
        "host.db": 0o600,
    }
