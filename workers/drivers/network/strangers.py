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
from workers.specs import Stranger

KINDS = (("pbr", "bridge"), ("pdhcp", "leg"), ("pgate", "leg"), ("pout", "leg"), ("ptap", "tap"))
TABLES = {
    "bridge portico",
    "bridge portico_guard",
    "inet portico",
    "inet portico_guard",
    "ip portico_outside",
    "inet portico_probe",  # for as long as a path is asked
}


def observe(config: HostConfig) -> tuple[Stranger, ...]:
    """Each bridge, leg, tap, namespace, nftables table and dnsmasq (by the id of its network) that
    belongs to nothing, sorted by kind and name."""
    known = [records.read(config, each) for each in records.ids(config)]
    specs = [record.spec for record in known if record]
    wanted = {link.name for spec in specs for link in plan.links(spec)}
    wanted |= {names.tap(port) for port in NftFirewall(config).ports()}
    homes = {each.name for spec in specs for each in plan.namespaces(spec)}
    found = [
        Stranger(kind=kind, name=name, owner=name.removeprefix(prefix))
        for name in links.all_names()
        for prefix, kind in KINDS
        if re.fullmatch(rf"{prefix}[0-9a-f]+", name) and name not in wanted
    ]
    found += [
        Stranger(kind="namespace", name=name, owner=name.partition("-")[2])
        for name in namespaces.names()
        if name.startswith(("pnet-", "prouter-")) and name not in homes
    ]
    tables = re.findall(r"^table (\w+ portico\w*)$", nft.run("list tables"), flags=re.MULTILINE)
    found += [Stranger(kind="table", name=each) for each in tables if each not in TABLES]
    found += [
        Stranger(kind="dnsmasq", name=network_id, owner=network_id)
        for network_id in dnsmasq.running(config)
        if network_id not in {spec.id for spec in specs}
    ]
    return tuple(sorted(found, key=str))


def remove(config: HostConfig, stranger: Stranger) -> None:
    """There is no such stranger. What belongs to something by now, or bears no name of ours, is
    left."""
    if stranger not in observe(config):
        return
    match stranger.kind:
        case "namespace":
            namespaces.remove(stranger.name)
        case "table":
            nft.run(f"delete table {stranger.name}")
        case "dnsmasq":
            dnsmasq.remove(config, stranger.name)
        case _:
            with IPRoute() as route:
                links.remove(route, stranger.name)
