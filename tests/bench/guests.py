"""A guest by the portal against the same guest by hand, in the same minutes on the same host."""

import contextlib
import copy
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import libvirt
from lxml import etree

from tests.bench import breakdown
from tests.bench.figures import Figure, median, milliseconds
from tests.bench.portal import Portal

ROUNDS, ROUNDS_AT_ONCE = 12, 3
AT_ONCE, BY_HAND_AT_ONCE = 20, 2
GOAL_RATIO, GOAL_MORE_SECONDS, GOAL_RATIO_AT_ONCE = 1.35, 0.25, 1.3
NAME, PATTERN = "bench", "pattern"
CONNECT = "connect to libvirt"


def measure(portal: Portal, state: Path) -> list[Figure]:
    """One at a time, and twenty at once. `state` is the state directory of the host."""
    portal.delete(NAME)
    with by_hand(portal, state) as hand:
        singles = [_one(portal, hand) for _ in range(ROUNDS)]
        twenties = [_twenty(portal, hand) for _ in range(ROUNDS_AT_ONCE)]
    our_steps, hand_steps = (list(each) for each in zip(*singles, strict=True))
    ours, hands = (median(map(breakdown.total, each)) for each in (our_steps, hand_steps))
    ours_at_once, hands_at_once = (median(times) for times in zip(*twenties, strict=True))
    return [
        Figure(
            f"POST create to running, median of {ROUNDS}, against by hand",
            f"{milliseconds(ours)} / {milliseconds(hands)} = {ours / hands:.2f} x",
            f"<= {GOAL_RATIO} x and <= {milliseconds(GOAL_MORE_SECONDS)} on top",
            ours <= GOAL_RATIO * hands and ours - hands <= GOAL_MORE_SECONDS,
        ),
        *breakdown.figures(our_steps, hand_steps),
        Figure(
            f"{AT_ONCE} creates at once, median of {ROUNDS_AT_ONCE}, against by hand "
            f"{BY_HAND_AT_ONCE} at a time",
            f"{ours_at_once:.1f} s / {hands_at_once:.1f} s = {ours_at_once / hands_at_once:.2f} x",
            f"<= {GOAL_RATIO_AT_ONCE} x",
            ours_at_once <= GOAL_RATIO_AT_ONCE * hands_at_once,
        ),
    ]


class ByHand:
    """What a person with qemu-img and libvirt does."""

    def __init__(self, pattern: etree._Element, image: str, folder: Path):
        self._pattern, self._image, self._folder = pattern, image, folder

    def make(self, watch: breakdown.Watch) -> libvirt.virDomain:
        """A guest like the pattern: an overlay, a definition, a start."""
        connection = libvirt.open("qemu:///system")
        watch.note(CONNECT)
        thing = uuid.uuid4()
        disk = self._folder / f"{thing}.qcow2"
        subprocess.run(
            [
                *("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2"),
                *("-b", self._image, "--", str(disk), "5G"),
            ],
            check=True,
        )
        watch.note(breakdown.DISK)
        domain = connection.defineXML(self._xml(thing, disk))
        watch.note(breakdown.DEFINE)
        domain.create()
        watch.note(breakdown.START)
        return domain

    def _xml(self, thing: uuid.UUID, disk: Path) -> str:
        root = copy.deepcopy(self._pattern)
        root.find("name").text, root.find("uuid").text = f"{NAME}-{thing}", str(thing)
        for part in ("metadata", "sysinfo", "os/smbios"):
            for found in root.findall(part):
                found.getparent().remove(found)
        source = root.find("devices/disk/source")
        source.set("file", str(disk))
        for interface in root.iterfind("devices/interface"):
            interface.find("mac").set("address", f"52:54:00:{thing.hex[:2]}:{thing.hex[2:4]}:01")
            interface.find("target").set("dev", f"ptry{thing.hex[:8]}")
        for path in root.iterfind("devices/graphics"):
            socket = str(Path(path.get("socket")).with_name(f"{thing}.sock"))
            path.set("socket", socket)
            for listen in path.iterfind("listen"):
                listen.set("socket", socket)
        for log in root.iterfind("devices/serial/log"):
            log.set("file", str(self._folder / f"{thing}.log"))
        for console in root.iterfind("devices/console"):
            console.getparent().remove(console)
        return etree.tostring(root, encoding="unicode")


@contextlib.contextmanager
def by_hand(portal: Portal, state: Path) -> Iterator["ByHand"]:
    """A pattern is taken from a guest that the portal made, with a copy of its config disk. It
    stays, switched off, so that its network stays on the host; all goes at the end."""
    portal.create(portal.form(PATTERN))
    portal.wait_until_running(PATTERN, 1, seconds=120)
    [path] = portal.instances(PATTERN)
    connection = libvirt.open("qemu:///system")
    pattern = connection.lookupByUUIDString(path.rpartition("/")[2])
    root = etree.fromstring(pattern.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    image = root.find("devices/disk/backingStore/source").get("file")
    folder = state / NAME
    folder.mkdir(mode=0o711, exist_ok=True)
    try:
        _root_disk, config_disk = root.findall("devices/disk/source")
        config_disk.set("file", shutil.copy(config_disk.get("file"), folder))
        portal.switch_off(path)
        yield ByHand(root, image, folder)
    finally:
        for domain in connection.listAllDomains():
            if domain.name().startswith(f"{NAME}-"):
                remove(domain)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        for name in (NAME, PATTERN):
            portal.delete(name)


def _one(portal: Portal, hand: ByHand) -> tuple[dict[str, float], dict[str, float]]:
    """The seconds of each step, by the portal and by hand."""
    form = portal.form(f"{NAME}-one")
    watch = breakdown.Watch()
    portal.create(form)
    watch.note(breakdown.ACCEPT)
    seen = watch.of_counter(portal.wait_until_running(f"{NAME}-one", 1, seconds=120))
    ours = breakdown.of_create(watch, portal.newest_id(f"{NAME}-one"), seen=seen)
    portal.delete(f"{NAME}-one")
    watch = breakdown.Watch()
    remove(hand.make(watch))
    return ours, watch.steps


def _twenty(portal: Portal, hand: ByHand) -> tuple[float, float]:
    began = time.perf_counter()
    with ThreadPoolExecutor(BY_HAND_AT_ONCE) as pool:
        domains = list(pool.map(lambda _: hand.make(breakdown.Watch()), range(AT_ONCE)))
    hands = time.perf_counter() - began
    for domain in domains:
        remove(domain)
    form = portal.form(f"{NAME}-many", AT_ONCE)
    began = time.perf_counter()
    portal.create(form)
    ours = portal.wait_until_running(f"{NAME}-many", AT_ONCE, seconds=300) - began
    portal.delete(NAME)
    return ours, hands


def remove(domain: libvirt.virDomain) -> None:
    """Nothing of it is left, but its disks."""
    with contextlib.suppress(libvirt.libvirtError):
        domain.destroy()
    domain.undefine()
