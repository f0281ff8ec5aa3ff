"""What bears our names on a host but belongs to nothing that the host was told to serve.

Such things are shown to the operator, and go only one by one, when that is asked for: they may
be somebody's only way back.
"""

import re

from pyroute2 import IPRoute

from workers.config import HostConfig
from workers.drivers import names, nft
from workers.drivers.filter.nftables import NftFirewall
from workers.drivers.network import dnsmasq, links, namespaces, plan, records

KINDS = (("pbr", "bridge"), ("pdhcp", "leg"), ("pgate", "leg"), ("pout", "leg"), ("ptap", "tap"))
TABLES = {
    "bridge portico",
    "bridge portico_guard",
    "inet portico",
    "inet portico_guard",
    "ip portico_outside",
}


def observe(config: HostConfig) -> tuple[str, ...]:
    """The kind and the name of each bridge, leg, tap, namespace, nftables table and dnsmasq (by
    the id of its network) that nobody wants, sorted: "bridge pbr7"."""
    known = [records.read(config, each) for each in records.ids(config)]
    specs = [record.spec for record in known if record]
    wanted = {link.name for spec in specs for link in plan.links(spec)}
    wanted |= {names.tap(port) for port in NftFirewall(config).ports()}
    homes = {each.name for spec in specs for each in plan.namespaces(spec)}
    found = [
        f"{kind} {name}"
        for name in links.all_names()
        for prefix, kind in KINDS
        if re.fullmatch(rf"{prefix}[0-9a-f]+", name) and name not in wanted
    ]
    found += [
        f"namespace {name}"
        for name in namespaces.names()
        if name.startswith(("pnet-", "prouter-")) and name not in homes
    ]
    tables = re.findall(r"^table (\w+ portico\w*)$", nft.run("list tables"), flags=re.MULTILINE)
    found += [f"table {table}" for table in tables if table not in TABLES]
    found += [
        f"dnsmasq {network_id}"
        for network_id in dnsmasq.running(config)
        if network_id not in {spec.id for spec in specs}
    ]
    return tuple(sorted(found))


def remove(config: HostConfig, leftover: str) -> None:
    """There is no such leftover. What is wanted by now, or bears no name of ours, is left."""
    if leftover not in observe(config):
        return
    kind, _, name = leftover.partition(" ")
    match kind:
        case "namespace":
            namespaces.remove(name)
        case "table":
            nft.run(f"delete table {name}")
        case "dnsmasq":
            dnsmasq.remove(config, name)
        case _:
            with IPRoute() as route:
                links.remove(route, name)
