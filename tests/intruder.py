"""`python -m tests.intruder DIRECTORY PORT`: what a local user, and the portal's own, gets to see.

Run as root on a private machine (`chaos.lab`) whose DIRECTORY holds an environment and an image to
begin with: the whole product is started by scripts/up, a guest runs, and then others look around.
"""

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography.fernet import Fernet

from tests.chaos import processes
from tests.chaos.person import Person
from tests.first_instance import NAME, wait

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS, RUN_SECONDS = 120, 120
RUNTIME = Path("/run/portico")
QEMU, PORTAL, ANYBODY = "libvirt-qemu", "portico", "nobody"
ROOTS_PROGRAMS = ("supervisord", "workers", "dnsmasq", "libvirtd", "virtlogd", "libvirt-daemons")

READS = """
import json, os, sys
found = []
for path in json.load(sys.stdin):
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        continue
    found.append(path)
json.dump(found, sys.stdout)
"""


def main() -> None:
    directory, port = Path(sys.argv[1]), int(sys.argv[2])
    up = start(directory, port)
    try:
        person = Person(f"http://127.0.0.1:{port}")
        person.sign_in()
        place = f"{person.project}/instances"
        assert person.send(person.open(f"{place}/new"), place, name=NAME) == 303
        wait("it runs", lambda: list(person.shown().values()) == ["Running"], RUN_SECONDS)
        look_around(directory)
        look_at_root(directory)
        look_for_password()
        plant(directory)
        install_beside(directory, port + 1)
        lose_socket()
        end_libvirtd()
    finally:
        up.terminate()
        up.wait()
    print("nobody saw anything")


def start(directory: Path, port: int) -> subprocess.Popen:
    log = directory.parent / "up.log"
    with open(log, "wb") as file:
        command = [ROOT / "scripts/up", "--directory", directory, "--port", str(port)]
        up = subprocess.Popen([*command, "--accelerator", "qemu"], stdout=file, stderr=file)
    deadline = time.monotonic() + START_SECONDS
    while "Portico is up" not in log.read_text():
        if up.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(log.read_text())
        time.sleep(0.1)
    return up


def look_around(directory: Path) -> None:
    """Whoever is neither root nor QEMU reads nothing of a guest, by whatever name."""
    files = [str(path) for top in (directory, RUNTIME) for path in everything(top)]
    state = f"{directory}/host/"
    kept = [each for each in files if each.startswith(state)]
    names = {Path(each).name for each in kept}
    assert {"root.qcow2", "seed.iso", "boot.log", "host.ini", "firewall.json"} <= names, names
    images = [each for each in kept if "/cache/" in each]
    disks = [each for each in kept if each.endswith((".qcow2", ".iso"))]
    assert images
    assert set(images + disks) <= read_by(QEMU, files), "it would not run else"
    for user in (ANYBODY, PORTAL):
        seen = read_by(user, files)
        assert str(directory / "demo.qcow2") in seen, "the control: some files are everybody's"
        secret = [each for each in seen if each.startswith((state, f"{directory}/log/"))]
        assert not secret, f"{user} reads {secret}"
    assert not [each for each in read_by(ANYBODY, files) if each.startswith(f"{directory}/portal/")]
    for user in (ANYBODY, PORTAL):  # libvirt's socket is another way to every disk
        asked = as_user(user, ["virsh", "-c", "qemu:///system", "list"])
        assert asked.returncode, f"{user} speaks to libvirt: {asked.stdout}"


def look_at_root(directory: Path) -> None:
    """No process of root's has anything open in a folder that another user can write."""
    assert strangers_to(directory / "portal/portico.db"), "the control"
    found = {
        f"{each.line[:60]}: {path}"
        for each in processes.everything()
        if os.stat(f"/proc/{each.pid}").st_uid == 0
        and any(word in each.line for word in ROOTS_PROGRAMS)
        and "gunicorn" not in each.line
        for path in open_files(each)
        if path.is_relative_to(directory) or path.is_relative_to(RUNTIME)
        if strangers_to(path)
    }
    assert not found, found


def look_for_password() -> None:
    """What was said to scripts/up alone is in nobody else's environment."""
    secret = os.environ["PORTICO_ADMIN_PASSWORD"].encode()
    programs = ("supervisord", "gunicorn", "redis-server", "portal.conductor", "workers")
    found = [each for each in processes.everything() if any(p in each.line for p in programs)]
    assert len(found) > len(programs)
    for each in found:
        assert secret not in Path(f"/proc/{each.pid}/environ").read_bytes(), each.line


def plant(directory: Path) -> None:
    """Where root writes, the portal's user can put no link."""
    for folder in ("", "log", "host", "venv"):
        target = directory / folder / "planted"
        done = as_user(PORTAL, ["ln", "-s", "/etc/passwd", str(target)])
        assert done.returncode, f"the portal's user put a link at {target}"
    done = as_user(PORTAL, ["ln", "-s", "/etc/passwd", str(directory / "portal/planted")])
    assert not done.returncode, f"the control: {done.stderr}"


def install_beside(directory: Path, port: int) -> None:
    """Another installation, and a fake host with no settings of its own, touch nothing of ours."""
    before = held(directory)
    beside = directory.with_name("beside")
    command = [ROOT / "scripts/up", "--directory", beside, "--port", str(port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS)
    assert done.returncode, "a second host on one machine"
    assert f"of the installation in {directory}/host" in done.stderr, done.stderr
    assert not beside.exists()
    beside.mkdir(mode=0o700)
    (beside / "fake.ini").write_text(
        f"[host]\nname = fake\nkey = {Fernet.generate_key().decode()}\ndriver = fake\n"
        f"redis_url = unix://{beside}/redis.sock\nstate_directory = {beside}/fake\n"
    )
    agent = [sys.executable, "-m", "workers.agent", "--config", f"{beside}/fake.ini"]
    fake = subprocess.Popen(agent, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        wait("the fake host shows screens", (beside / "fake/run/agent.sock").exists, 30)
    finally:
        fake.terminate()
        fake.wait()
    done = subprocess.run(
        [ROOT / "scripts/down", "--purge", "--directory", beside], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert held(directory) == before


def held(directory: Path) -> list:
    """What another installation could take from this one: sockets, guests, tables, its user."""
    said = [
        subprocess.run(words, check=True, capture_output=True, text=True).stdout
        for words in (
            ["virsh", "-q", "list", "--name"],
            ["nft", "-s", "list", "tables"],
            ["ip", "netns", "list"],
            ["ip", "-o", "link"],
            ["getent", "passwd", PORTAL],
        )
    ]
    sockets = sorted(each for each in everything(RUNTIME) if each.suffix == ".sock")
    return [*said, [(each, each.stat().st_ino) for each in sockets], os.listdir(directory)]


def lose_socket() -> None:
    """An agent whose socket was removed makes it again."""
    (RUNTIME / "agent.sock").unlink()
    wait("the agent's socket is there again", (RUNTIME / "agent.sock").exists, 30)


def end_libvirtd() -> None:
    """A libvirtd that somebody told to end is there again."""
    pid = int(Path("/run/libvirt/libvirtd.pid").read_text())
    os.kill(pid, signal.SIGTERM)
    wait("libvirtd has ended", lambda: not Path(f"/proc/{pid}").exists(), 30)

    def answers() -> bool:
        return not subprocess.run(["virsh", "-q", "list"], capture_output=True).returncode

    wait("libvirtd answers again", answers, 60)


def everything(top: Path) -> Iterator[Path]:
    for folder, _, files in os.walk(top):
        if "/venv" not in folder:
            yield from (Path(folder) / name for name in files)


def read_by(user: str, files: list[str]) -> set[str]:
    done = as_user(user, [sys.executable, "-c", READS], json.dumps(files))
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def as_user(user: str, words: list[str], text: str = "") -> subprocess.CompletedProcess:
    change = [
        "setpriv",
        "--reuid",
        user,
        "--regid",
        str(pwd.getpwnam(user).pw_gid),
        "--init-groups",
    ]
    return subprocess.run(
        [*change, "--", *words], input=text, capture_output=True, text=True, timeout=60, cwd="/"
    )


def open_files(process: processes.Process) -> set[Path]:
    """What it has open, and what its command names. What it holds by O_PATH, as it does on the
    way to Redis, is named and not open: open(2)."""
    found = {Path(word.partition("=")[2] or word) for word in process.words if "/" in word}
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            where = os.readlink(descriptor)
            if not int(_flags(process.pid, descriptor.name), 8) & os.O_PATH:
                found.add(Path(where))
        except FileNotFoundError:
            continue
    return {path for path in found if path.is_absolute()}


def _flags(pid: int, descriptor: str) -> str:
    """As they were given to open(2), in octal: proc_pid_fdinfo(5)."""
    told = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text()
    return next(line.split()[1] for line in told.splitlines() if line.startswith("flags:"))


def strangers_to(path: Path) -> list[str]:
    """The folders on the way to it that others than root can write."""
    others = []
    for folder in path.parents:
        there = folder.stat() if folder.exists() else None
        if there and (there.st_uid or (there.st_mode & 0o002 and not there.st_mode & 0o1000)):
            others.append(str(folder))
    return others


if __name__ == "__main__":
    main()
