"""What a fake host holds: read from its one SQLite file, past the driver that writes it."""

import contextlib
import json
import sqlite3

from tests.chaos.reality import Guest, Reality
from tests.stack import Stack

KINDS = {"host", "image", "use", "disk", "seed", "ports", "guest", "network", "firewall"}


def look(stack: Stack, host: str) -> Reality:
    """What this fake host holds."""
    path = stack.state(host) / "host.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT kind, id, value FROM things").fetchall()
    seen = Reality()
    values = {(kind, thing_id): json.loads(text) for kind, thing_id, text in rows}
    seeds = {each for kind, each in values if kind == "seed"}
    plugged = {each: frozenset(value["macs"]) for (kind, each), value in values.items()
               if kind == "ports"}  # fmt: skip
    for (kind, thing_id), value in values.items():
        match kind:
            case "guest":
                seen.guests[thing_id] = Guest(
                    value["power"], value["boots"], value["generation"], plugged.get(thing_id)
                )
            case "disk":
                seen.disks.add(thing_id)
            case "network":
                seen.networks.add(thing_id)
                for lease in value["leases"]:
                    seen.leases.add((lease["mac"], lease["address"], lease["hostname"]))
            case "firewall":
                for port in value["ports"]:
                    seen.filtered |= {(port["mac"], address) for address in port["addresses"]}
    seen.strange += [f"{kind} {each}" for kind, each in values if kind not in KINDS]
    seen.strange += [f"ports of {each}, gone" for each in plugged.keys() - seen.guests.keys()]
    if seeds != seen.disks:
        seen.strange.append(f"config disks and root disks differ: {sorted(seeds ^ seen.disks)}")
    return seen
