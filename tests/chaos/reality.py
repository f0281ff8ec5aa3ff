"""What a real host holds: asked of virsh, ip, nft, ls and /proc, and of nothing of the product."""

import dataclasses
import json
import os
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

from tests.chaos import processes
from tests.stack import Stack

MARK = "{urn:portico:guest:1}guest"
RUNTIME = Path("/run/portico")
LIBVIRT_LOGS = Path("/var/log/libvirt/qemu")
DISKS = {"root.qcow2", "seed.iso", "boot.log"}


@dataclasses.dataclass
class Guest:
    """A guest as its host runs it."""

    power: str  # "running" or "stopped"
    boots: int
    generation: int
    macs: frozenset[str] | None = None  # of its ports; None where a guest has none
    starts: int | None = None  # how often it was really started; None where nobody counts


@dataclasses.dataclass
class Reality:
    """All that a host holds."""

    guests: dict[str, Guest] = dataclasses.field(default_factory=dict)  # by the instance's id
    disks: set[str] = dataclasses.field(default_factory=set)  # ids of instances
    networks: set[str] = dataclasses.field(default_factory=set)  # ids
    leases: set[tuple[str, str, str]] = dataclasses.field(default_factory=set)  # MAC, IPv4, name
    filtered: set[tuple[str, str]] = dataclasses.field(default_factory=set)  # MAC, IPv4
    strange: list[str] = dataclasses.field(default_factory=list)  # whatever belongs to nothing


def look(stack: Stack, host: str, *, segments: dict[str, int], taps: set[str]) -> Reality:
    """What this machine holds. `segments` are those of the networks that there shall be, by id,
    and `taps` the devices of the ports: whatever else bears our names is strange."""
    seen = Reality()
    _look_at_domains(seen)
    _look_at_disks(seen, stack.state(host))
    _look_at_links(seen, segments, taps)
    _look_at_namespaces(seen, segments)
    _look_at_dnsmasq(seen)
    _look_at_filter(seen, taps)
    _look_at_runtime(seen, segments, taps)
    return seen


def tap(port_id: str) -> str:
    """What the tap of a port is called."""
    return f"ptap{port_id.replace('-', '')[:11]}"


def _look_at_domains(seen: Reality) -> None:
    for name in _run("virsh", "-q", "list", "--all", "--name").split():
        kept = ElementTree.fromstring(_run("virsh", "-q", "dumpxml", "--inactive", name))
        mark = kept.find(f"metadata/{MARK}")
        if mark is None or name != f"instance-{kept.findtext('uuid')}":
            seen.strange.append(f"domain {name}")
            continue
        running = _run("virsh", "-q", "domstate", name).strip() == "running"
        if running:
            live = ElementTree.fromstring(_run("virsh", "-q", "dumpxml", name))
            mark = live.find(f"metadata/{MARK}")
        generation = kept.find(f"metadata/{MARK}").get("generation")
        seen.guests[kept.findtext("uuid")] = Guest(
            power="running" if running else "stopped",
            boots=int(mark.get("boots")),
            generation=int(generation),
            macs=frozenset(each.get("address") for each in kept.iter("mac")),
            starts=_starts(name),
        )
    qemus = [each.line for each in processes.everything() if "qemu-system" in each.words[0]]
    alive = [re.search(r"guest=instance-([0-9a-f-]{36})", line) for line in qemus]
    ids = sorted(found[1] if found else "?" for found in alive)
    running = sorted(each for each, guest in seen.guests.items() if guest.power == "running")
    if ids != running:
        seen.strange.append(f"QEMU runs for {ids}, libvirt says {running}")


def _starts(domain: str) -> int:
    """How often libvirt started QEMU for it: it writes a line each time."""
    log = LIBVIRT_LOGS / f"{domain}.log"
    text = log.read_text(errors="replace") if log.exists() else ""
    return text.count(": starting up libvirt version")


def _look_at_disks(seen: Reality, state: Path) -> None:
    folders = state / "instances"
    for folder in folders.iterdir() if folders.exists() else ():
        seen.disks.add(folder.name)
        found = set(os.listdir(folder))
        if unknown := {each for each in found - DISKS if not each.startswith("boot.log.")}:
            seen.strange.append(f"in the folder of {folder.name}: {sorted(unknown)}")
        if missing := {"root.qcow2", "seed.iso"} - found:
            seen.strange.append(f"the folder of {folder.name} lacks {sorted(missing)}")


def _look_at_links(seen: Reality, segments: dict[str, int], taps: set[str]) -> None:
    masters = {
        link["ifname"]: link.get("master", "") for link in json.loads(_run("ip", "-json", "link"))
    }
    wanted = {f"pbr{segment}": "" for segment in segments.values()}
    for segment in segments.values():
        wanted[f"pdhcp{segment}"] = wanted[f"pgate{segment}"] = f"pbr{segment}"
        wanted[f"pout{segment}"] = ""
    ours = {
        name: master
        for name, master in masters.items()
        if re.fullmatch(r"(pbr|pdhcp|pgate|pout)\d+", name)
    }
    if ours != wanted:
        seen.strange.append(f"devices of networks: {ours}, wanted {wanted}")
    plugged = {name for name in masters if name.startswith("ptap")}
    if unknown := plugged - taps:
        seen.strange.append(f"taps of no port: {sorted(unknown)}")
    for name in plugged & taps:
        if not masters[name].startswith("pbr"):
            seen.strange.append(f"tap {name} is plugged into {masters[name] or 'nothing'}")
    running = sum(len(guest.macs) for guest in seen.guests.values() if guest.power == "running")
    if len(plugged) != running:
        seen.strange.append(f"{len(plugged)} taps for {running} ports of running guests")


def _look_at_namespaces(seen: Reality, segments: dict[str, int]) -> None:
    found = set(os.listdir("/run/netns")) if os.path.exists("/run/netns") else set()
    wanted = {f"{kind}-{each}" for each in segments for kind in ("pnet", "prouter")}
    if found != wanted:
        seen.strange.append(f"namespaces {sorted(found)}, wanted {sorted(wanted)}")
    seen.networks = {name.removeprefix("pnet-") for name in found if name.startswith("pnet-")}


def _look_at_dnsmasq(seen: Reality) -> None:
    served = []
    for each in processes.everything():
        place = re.search(r"--pid-file=(\S+)/pid( |$)", each.line)
        if not each.words[0].endswith("dnsmasq") or not place:
            continue
        served.append(Path(place[1]).name)
        for line in (Path(place[1]) / "addresses").read_text().splitlines():
            mac, address, name = line.split(",")
            seen.leases.add((mac, address, name.partition(".")[0]))
    if sorted(served) != sorted(seen.networks):
        seen.strange.append(f"dnsmasq serves {sorted(served)}, not {sorted(seen.networks)}")


def _look_at_filter(seen: Reality, taps: set[str]) -> None:
    listed = json.loads(_run("nft", "-j", "list", "ruleset"))["nftables"]
    tables = {f"{t['family']} {t['name']}" for item in listed if (t := item.get("table"))}
    expected = {"bridge portico_guard", "inet portico_guard", "bridge portico", "inet portico"}
    if unknown := tables - expected - {"ip portico_outside"}:
        seen.strange.append(f"filter tables {sorted(unknown)}")
    if missing := {"bridge portico_guard", "inet portico_guard"} - tables:
        seen.strange.append(f"there is no {sorted(missing)}")
    for item in listed:
        found = item.get("set") or item.get("map")
        if not found or found["table"] != "portico":
            continue
        if found["name"] == "addresses":
            for element in found.get("elem", ()):
                device, mac, address = element["concat"]
                seen.filtered.add((mac, address))
                if device not in taps:
                    seen.strange.append(f"the filter knows {device}, a tap of no port")


def _look_at_runtime(seen: Reality, segments: dict[str, int], taps: set[str]) -> None:
    """Sockets, notes and files of services belong to something that is there."""
    here = {
        "vnc": {f"{each}.sock" for each in seen.guests},
        "buttons": set(seen.guests),
        "ports": set(seen.guests),
        "pulls": set(seen.guests),
        "networks": set(segments),
        "taps": {str(segment) for segment in segments.values()},
    }
    for folder, wanted in here.items():
        place = RUNTIME / folder
        if unknown := set(os.listdir(place) if place.exists() else ()) - wanted:
            seen.strange.append(f"{place}: {sorted(unknown)}")
    for place in (RUNTIME / "taps").glob("*"):
        if unknown := set(os.listdir(place)) - taps:
            seen.strange.append(f"{place} remembers {sorted(unknown)}")


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
