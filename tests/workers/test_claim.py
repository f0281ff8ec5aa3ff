"""A machine belongs to one installation at a time."""

import pytest

from workers import claim
from workers.config import HostConfig


@pytest.fixture(autouse=True)
def note(tmp_path, monkeypatch):
    monkeypatch.setattr(claim, "NOTE", tmp_path / "portico.host")


def installation(state) -> HostConfig:
    state.mkdir(exist_ok=True)
    return HostConfig(name="kvm-1", key="", redis_url="", state_directory=state)


def test_the_second_installation_is_refused_until_the_first_is_gone(tmp_path):
    first, second = installation(tmp_path / "one"), installation(tmp_path / "two")
    claim.take(first)
    claim.take(first)
    with pytest.raises(RuntimeError, match="is a host already"):
        claim.take(second)
    claim.give_up(second)
    assert claim.another(second) == first.state_directory, "only its own is given up"
    first.state_directory.rmdir()
    claim.take(second)
    assert claim.another(first) == second.state_directory
    claim.give_up(second)
    assert claim.another(first) is None
