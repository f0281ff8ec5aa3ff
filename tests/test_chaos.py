"""The product is used while it is killed at random, and is found in order afterwards.

Each run is a process of its own, as by hand: `scripts/chaos --seed 1 --operations 200`.
"""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(*words: str, minutes: float) -> None:
    """A chaos run passes; what it said is shown if not."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=minutes * 60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


@pytest.mark.real
@pytest.mark.slow
def test_real_guests_survive_whatever_is_killed():
    run("--seed", "1", "--operations", "25", minutes=15)


@pytest.mark.slow
def test_fake_hosts_survive_whatever_is_killed():
    run("--seed", "1", "--operations", "300", "--fake", "3", "--port", free_port(), minutes=20)
