"""libvirt's daemons where no systemd keeps them."""

import subprocess
from pathlib import Path

import pytest

from tests.chaos import lab

SCRIPT = Path(__file__).parents[2] / "scripts/libvirt-daemons"
KILL_VIRTLOGD = """
set -eu
wait_for() { for _ in $(seq 300); do if "$@"; then return 0; fi; sleep 0.1; done; exit 9; }
answers() { virsh -q -c qemu:///system uri >/dev/null 2>&1; }
pid() { cat /run/libvirt/virtlogd.pid; }
another_runs() { [ "$(pid)" != "$first" ] && kill -0 "$(pid)"; } 2>/dev/null
gone() { ! kill -0 "$1" 2>/dev/null; }
"$0" & script=$!
wait_for answers
first=$(pid)
kill -9 "$first"
wait_for another_runs
answers
kill -TERM "$script"
wait_for gone "$script"
gone "$(cat /run/libvirt/libvirtd.pid 2>/dev/null || echo 999999)"
kill -0 "$(pid)"
"""


@pytest.mark.real
def test_a_dead_virtlogd_is_started_again(tmp_path):
    """Seen: once virtlogd had died, no guest of the host ever started again."""
    command = lab.inside(tmp_path, ["bash", "-c", KILL_VIRTLOGD, str(SCRIPT)])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
