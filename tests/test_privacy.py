"""What others than root get to see of an installation, and where they can lead root astray."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.chaos import lab

ROOT = Path(__file__).resolve().parents[1]
# the machine's users are not to know of the portal's: all of /etc is a copy
PREPARE = """
set -eu
directory=$1; shift
cp -a /etc "$directory-etc"
mount --bind "$directory-etc" /etc
mkdir "$directory"
chmod 711 "$directory"
ln -s "$2" "$directory/venv"
cp "$3" "$directory/demo.qcow2"
chmod a+r "$directory/demo.qcow2"
cd "$4"
exec "$2/bin/python" -m tests.intruder "$directory" "$1"
"""


@pytest.fixture
def image():
    """The demo image, as all tests on a host use it."""
    image = ROOT / ".test" / "demo.qcow2"
    image.parent.mkdir(exist_ok=True)
    with open(image.with_suffix(".lock"), "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        subprocess.run([ROOT / "scripts" / "build-demo-image", image], check=True)
    return image


@pytest.fixture
def place():
    """A folder through which every user passes."""
    directory = Path(tempfile.mkdtemp(prefix="portico-privacy-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.real
def test_nobody_but_root_and_qemu_reads_what_is_a_guests(place, image):
    """Seen: every local user read every disk and all user data, and the log directory, in which
    root's process manager follows links, was the portal's own."""
    command = ["bash", "-c", PREPARE, "prepare", str(place / "cloud"), "8089"]
    command += [sys.prefix, str(image), str(ROOT)]
    done = subprocess.run(
        lab.inside(place, command),
        capture_output=True,
        text=True,
        timeout=400,
        env={**os.environ, "PORTICO_ADMIN_PASSWORD": "seven quiet storms at sea"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def bash(text: str, *words: str) -> subprocess.CompletedProcess:
    command = ["bash", "-c", f"source {ROOT}/scripts/install.bash\n{text}", "test", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.real
def test_links_in_a_log_directory_that_was_the_portals_are_removed_at_the_next_start(tmp_path):
    log, secret = tmp_path / "log", tmp_path / "secret"
    log.mkdir()
    secret.write_text("root's own")
    (log / "web.log").write_text("kept")
    (log / "web.log.1").symlink_to(secret)
    os.link(secret, log / "worker.log.1")
    (log / "agent.log.1").mkdir()
    (log / "redis.log").write_text("somebody writes it still")
    os.chown(log / "redis.log", 12345, 12345)
    assert bash('remove_what_is_not_roots "$1"', str(log)).returncode == 0
    assert os.listdir(log) == ["web.log"]
    assert secret.read_text() == "root's own"


@pytest.mark.real
def test_root_runs_a_copy_of_a_program_that_somebody_else_can_change(tmp_path):
    program = tmp_path / "program"
    (program / "workers").mkdir(parents=True)
    file = program / "workers/agent.py"
    file.touch()

    def is_roots() -> bool:
        return bash('is_roots "$1"', str(program)).returncode == 0

    assert is_roots()
    for path in (file, program, tmp_path):
        os.chown(path, 12345, 12345)
        assert not is_roots(), path
        os.chown(path, 0, 0)
        path.chmod(path.stat().st_mode | 0o002)
        assert not is_roots(), path
        path.chmod(path.stat().st_mode & ~0o002)
    assert is_roots()
