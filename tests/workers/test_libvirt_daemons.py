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


ENDED_BY_ITSELF = """
set -eu
wait_for() { for _ in $(seq 300); do if "$@"; then return 0; fi; sleep 0.1; done; exit 9; }
answers() { virsh -q -c qemu:///system uri >/dev/null 2>&1; }
"$0" & script=$!
wait_for answers
kill -TERM "$(cat /run/libvirt/libvirtd.pid)"
if wait "$script"; then exit 3; fi
"$0" & script=$!
wait_for answers
setpriv --reuid nobody --regid nogroup --clear-groups virsh -q -c qemu:///system uri && exit 4
setpriv --reuid nobody --regid nogroup --clear-groups virsh -q -r -c qemu:///system uri && exit 5
kill -TERM "$script"
wait "$script" || exit 6
"""

KVM_OF_ANOTHER_SYSTEM = """
set -eu
wait_for() { for _ in $(seq 300); do if "$@"; then return 0; fi; sleep 0.1; done; exit 9; }
answers() { virsh -q -c qemu:///system uri >/dev/null 2>&1; }
opens() { runuser -u libvirt-qemu -- test -r /dev/kvm -a -w /dev/kvm; }
for kept in "$@"; do
    chown "${kept% *}" /dev/kvm; chmod "${kept#* }" /dev/kvm
    opens && exit 3
    "$0" & script=$!
    wait_for answers
    opens || exit 4
    kill -TERM "$script"
    wait "$script" || exit 5
done
"""


@pytest.mark.real
@pytest.mark.skipif(not Path("/dev/kvm").exists(), reason="this machine has no /dev/kvm")
def test_qemus_user_opens_kvm_whoever_had_it_before(tmp_path):
    """Seen: with the number that another Debian gives to the group kvm, libvirt asked QEMU anew at
    each call, and a guest took a minute to be defined."""
    kept = ["root:root 600", "root:64999 660", "root:root 640"]
    command = lab.inside(tmp_path, ["bash", "-c", KVM_OF_ANOTHER_SYSTEM, str(SCRIPT), *kept])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.real
def test_a_libvirtd_that_ends_by_itself_is_no_end_that_was_wanted(tmp_path):
    """Seen: libvirtd ends with status 0 on SIGTERM, nobody started it again, and every create
    failed. Nobody but root speaks to it, whatever the machine's settings say."""
    open_to_all = 'unix_sock_rw_perms = "0777"\\nauth_unix_rw = "none"\\n'
    command = f"printf '{open_to_all}' >/etc/libvirt/libvirtd.conf; {ENDED_BY_ITSELF}"
    command = lab.inside(tmp_path, ["bash", "-c", command, str(SCRIPT)])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.real
def test_a_dead_virtlogd_is_started_again(tmp_path):
    """Seen: once virtlogd had died, no guest of the host ever started again."""
    command = lab.inside(tmp_path, ["bash", "-c", KILL_VIRTLOGD, str(SCRIPT)])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
