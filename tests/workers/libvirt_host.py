"""A libvirtd for the tests alone, in namespaces of its own, whose guests die with it.

Everything that libvirt owns (/etc/libvirt, /run/libvirt, /var/lib/libvirt, ...) is a directory of
the test's, mounted over the real one where only this libvirtd sees it. It serves a socket that
the tests reach by its path, and QEMU runs as the user that Debian's packages give it.
"""

import dataclasses
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import libvirt

OWNED = {
    "etc": "/etc/libvirt",
    "run": "/run/libvirt",
    "lib": "/var/lib/libvirt",
    "log": "/var/log/libvirt",
    "cache": "/var/cache/libvirt",
}
START_SECONDS = 60
# pid 1 of the namespaces: it reaps what the daemons leave, and all dies with it
INIT = """
set -eu
root=$1; shift
mount --make-rprivate /
while [ $# -gt 0 ]; do mkdir -p "$2"; mount --bind "$root/$1" "$2"; shift 2; done
mount -t sysfs sysfs /sys
# as udev would leave it: QEMU's own user can open it
mknod "$root/kvm" c 10 232; chgrp kvm "$root/kvm"; chmod 660 "$root/kvm"
[ ! -e /dev/kvm ] || mount --bind "$root/kvm" /dev/kvm
ip link set lo up
virtlogd -d -p /run/libvirt/virtlogd.pid
libvirtd -d -p /run/libvirt/libvirtd.pid
touch "$root/ready"
trap 'exit 0' TERM
while :; do wait -n 2>/dev/null || sleep 0.5; done
"""


@dataclasses.dataclass(frozen=True)
class LibvirtHost:
    """A private libvirtd: where it listens, and the process whose end is its power cut."""

    root: Path
    init: int  # PID, as seen from here
    uri: str
    namespaces: subprocess.Popen

    def run(self, *command: str) -> str:
        """What `command` prints when it is run inside the namespaces."""
        return subprocess.run(
            ["nsenter", "-t", str(self.init), "-m", "-n", "-u", "-i", "-p", "--", *command],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def restart_libvirtd(self) -> None:
        """libvirtd is killed and started again; guests know nothing of it."""
        pid = (self.root / "run/libvirtd.pid").read_text().strip()
        self.run("kill", "-9", pid)
        self.run("libvirtd", "-d", "-p", "/run/libvirt/libvirtd.pid")
        _wait_until_it_answers(self.uri)


def start(root: Path) -> LibvirtHost:
    """A libvirtd that answers, with its files in `root`."""
    for name in OWNED:
        (root / name).mkdir()
    shutil.copytree("/etc/libvirt", root / "etc", dirs_exist_ok=True)
    shutil.rmtree(root / "etc/qemu", ignore_errors=True)  # autostarted networks
    (root / "etc/libvirtd.conf").write_text('auth_unix_rw = "none"\nunix_sock_rw_perms = "0700"\n')
    with open(root / "etc/qemu.conf", "a") as file:
        file.write("cgroup_controllers = []\n")  # the cgroups are the machine's, not ours
    log = open(root / "init.log", "wb")  # noqa: SIM115, the child keeps it
    mounts = [each for pair in OWNED.items() for each in pair]
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--uts", "--ipc",
         "--pid", "--fork", "--kill-child", "--mount-proc",
         "bash", "-c", INIT, "init", str(root), *mounts],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    log.close()
    deadline = time.monotonic() + START_SECONDS
    while not (root / "ready").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError((root / "init.log").read_text())
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    uri = f"qemu+unix:///system?socket={root}/run/libvirt-sock"
    _wait_until_it_answers(uri)
    return LibvirtHost(root=root, init=int(children[0]), uri=uri, namespaces=process)


def stop(host: LibvirtHost) -> None:
    """The power of the host fails: libvirtd and all guests are gone, and so are their files."""
    os.kill(host.init, signal.SIGKILL)
    host.namespaces.wait(START_SECONDS)
    shutil.rmtree(host.root, ignore_errors=True)


def _wait_until_it_answers(uri: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            libvirt.open(uri).close()
            return
        except libvirt.libvirtError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
