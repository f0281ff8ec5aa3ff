"""A private machine for a real run: namespaces of its own, in which everything ends with it.

Processes, mounts, devices of the network, filter tables and libvirt's directories are seen by
nobody outside, so a run disturbs neither the machine nor another installation on it.
"""

import os
import shutil
import sys
from pathlib import Path

OWNED = ("lib", "log", "cache")  # of libvirt, below /var
# pid 1 of the namespaces: it reaps what daemons leave behind, and all dies with it
INIT = """
set -eu
root=$1; shift
mount --make-rprivate /
mount -t tmpfs chaos /run
mount -t sysfs sysfs /sys
mount --bind "$root/etc" /etc/libvirt
for name in lib log cache; do mount --bind "$root/$name" "/var/$name/libvirt"; done
if [ -e /dev/kvm ]; then
    mknod "$root/kvm" c 10 232; chgrp kvm "$root/kvm"; chmod 660 "$root/kvm"
    mount --bind "$root/kvm" /dev/kvm
fi
for family in iptables ip6tables arptables; do
    echo 0 >"/proc/sys/net/bridge/bridge-nf-call-$family"
done
ip link set lo up
"$@" &
wait $!
"""


def enter(directory: Path, command: list[str]) -> None:
    """This process becomes `command` in the private machine, whose files are in `directory`."""
    words = inside(directory, command)
    sys.stdout.flush()
    os.execvp(words[0], words)


def inside(directory: Path, command: list[str]) -> list[str]:
    """The command that runs `command` in a private machine with its files in `directory`.

    It needs root. When it, or the process that started it, ends, so does all inside."""
    root = directory / "libvirt"
    for name in ("etc", *OWNED):
        (root / name).mkdir(parents=True)
    shutil.copytree("/etc/libvirt", root / "etc", dirs_exist_ok=True)
    shutil.rmtree(root / "etc/qemu", ignore_errors=True)  # autostarted networks
    (root / "etc/libvirtd.conf").write_text('auth_unix_rw = "none"\nunix_sock_rw_perms = "0700"\n')
    with open(root / "etc/qemu.conf", "a") as file:
        file.write("cgroup_controllers = []\n")  # the cgroups are the machine's, not ours
    return [
        *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--uts", "--ipc"),
        *("--pid", "--fork", "--kill-child", "--mount-proc"),
        *("bash", "-c", INIT, "init", str(root), *command),
    ]
