"""Whether every guest does what its config disk says: real boots, and many readings of it.

A guest of the second kind is a namespace on this machine in which the demo image's own reader
finds a config disk made by the host's driver. It shows what fifty boots cannot: one in a thousand.
The volume is opened by pycdlib there, since this machine's kernel may know no ISO 9660.
"""

import io
import re
import subprocess
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pycdlib

from tests.bench.figures import Figure
from tests.bench.portal import Portal
from tests.web import ROOT
from workers.drivers.disks import seed
from workers.specs import InstanceSpec

BOOTS, BOOTS_AT_ONCE, BOOT_SECONDS = 50, 10, 180
READINGS, READINGS_AT_ONCE = 1000, 4
NAME = "bench-boot"
SCRIPT = "#!/bin/sh\necho ran-{mark} on $(hostname)\n"
CLOUD_CONFIG = "#cloud-config\nruncmd:\n  - echo ran-{mark} on $(hostname)\n"
PARTS = ROOT / "scripts/demo-image"
# what the guest's own init has prepared when it calls the reader
GUEST = """
set -eu
exec 2>&1
mount -t sysfs sysfs /sys
for place in /mnt /root /run /var/log; do mount -t tmpfs guest $place; done
mkdir -p /root/.ssh
for file in hosts hostname; do : >/run/$file; mount --bind /run/$file /etc/$file; done
mount -t tmpfs guest /dev
cp "$2/disk.iso" /dev/vdb
: >/dev/console
sed "s|/usr/lib|$1/usr/lib|" "$1/usr/sbin/read-config-disk" >/run/reader
mount() { command mount --bind "$volume" /mnt; }
volume=$2/volume
. /run/reader
wait
echo "name $(hostname)"; cat /root/.ssh/authorized_keys /dev/console
"""


def measure(portal: Portal, state: Path) -> list[Figure]:
    """How many of them ran their user data under their own name."""
    portal.delete(NAME)
    boots = sum(_boot(portal, state, first) for first in range(0, BOOTS, BOOTS_AT_ONCE))
    with ThreadPoolExecutor(READINGS_AT_ONCE) as pool:
        readings = sum(pool.map(_read, range(READINGS)))
    return [
        Figure("user data ran, real boots", f"{boots} of {BOOTS}", "all", boots == BOOTS),
        Figure(
            "user data ran, guests that are namespaces",
            f"{readings:,} of {READINGS:,}",
            "all",
            readings == READINGS,
        ),
    ]


def _boot(portal: Portal, state: Path, first: int) -> int:
    """How many of a handful of new guests have said so on their serial port."""
    mark = uuid.uuid4().hex
    form = portal.form(f"{NAME}-{first}", BOOTS_AT_ONCE)
    user_data = (CLOUD_CONFIG if first % 20 else SCRIPT).format(mark=mark)
    portal.create(form | {"user_data": user_data})
    portal.wait_until_running(f"{NAME}-{first}", BOOTS_AT_ONCE, seconds=BOOT_SECONDS)
    ids = [path.rpartition("/")[2] for path in portal.instances(f"{NAME}-{first}")]
    deadline = time.perf_counter() + BOOT_SECONDS
    said: set[str] = set()
    while len(said) < BOOTS_AT_ONCE and time.perf_counter() < deadline:
        said = {name for each in ids for name in _said(state / "instances" / each, mark)}
        time.sleep(1)
    portal.delete(f"{NAME}-{first}")
    return len(said)


def _said(folder: Path, mark: str) -> list[str]:
    text = (folder / "boot.log").read_text(errors="replace")
    return re.findall(rf"ran-{mark} on (\S+)", text)


def _read(number: int) -> bool:
    mark, name = uuid.uuid4().hex, f"guest-{number}"
    spec = InstanceSpec(
        id=str(uuid.uuid4()),
        generation=1,
        name=name,
        hostname=name,
        project_id=str(uuid.uuid4()),
        power="running",
        boots=1,
        vcpus=1,
        memory_mib=128,
        disks=(),
        ports=(),
        public_keys=(("laptop", f"ssh-ed25519 AAAA{mark} {name}"),),
        user_data=(CLOUD_CONFIG if number % 2 else SCRIPT).format(mark=mark),
        grace_seconds=0,
    )
    with tempfile.TemporaryDirectory() as directory:
        _write(Path(directory), seed.config_disk(spec))
        said = subprocess.run(
            [
                *("unshare", "--mount", "--uts", "--net", "--pid", "--fork", "--kill-child"),
                *("sh", "-c", GUEST, "guest", str(PARTS), directory),
            ],
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout
    return all(each in said for each in (f"name {name}", f"AAAA{mark}", f"ran-{mark} on {name}"))


def _write(directory: Path, volume: bytes) -> None:
    """The volume, and its files beside it."""
    (directory / "disk.iso").write_bytes(volume)
    latest = directory / "volume/openstack/latest"
    latest.mkdir(parents=True)
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(volume))
    for child in iso.list_children(joliet_path="/openstack/latest"):
        if child.is_file():
            name = child.file_identifier().decode("utf-16-be")
            iso.get_file_from_iso(latest / name, joliet_path=f"/openstack/latest/{name}")
    iso.close()
