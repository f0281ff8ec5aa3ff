"""Firewalls of others on this host that would drop what guests send.

An accept of ours does not outweigh a drop elsewhere (nft(8), verdict statements), and Docker and
ufw give the chain FORWARD the policy drop. Such policies are read, and for all else the path of a
guest's packet is asked, see `path_probe`. Only what nftables shows is found: iptables-nft is seen,
iptables-legacy is not.
"""

import re
from collections.abc import Iterator

from workers.drivers import nft
from workers.drivers.network import path_probe
from workers.specs import NetworkSpec

FORWARDS = re.compile(
    r"chain (\S+) \{\s*type filter hook forward priority [^;]+; policy drop;", re.MULTILINE
)
TABLES = re.compile(r"^table ((?:ip|inet) (?!portico)\S+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
OURS = re.compile(r"^table \w+ portico\w* \{\n.*?^\}\n?", re.MULTILINE | re.DOTALL)
HOOKS = re.compile(r"hook (prerouting|input|forward|postrouting) ")
# to the world, from there, and between two guests of a network
PASSES = ('iifname "pout*"', 'oifname "pout*"', 'iifname "pbr*"')


def observe(spec: NetworkSpec | None = None) -> tuple[tuple[str, str], ...]:
    """What stands in the way of guests, and the command that mends it, for each such chain: by the
    path of this network's, if there is one on the host."""
    chains = nft.run("list chains")
    found = _policies(chains)
    if found or not spec or not HOOKS.search(OURS.sub("", chains)):
        return found
    return tuple(dict.fromkeys(_on_paths(spec)))


def _on_paths(spec: NetworkSpec) -> Iterator[tuple[str, str]]:
    for path in path_probe.paths(spec):
        if place := path_probe.dropped(path):
            table, chain = place
            passes = ('iifname "pout*"',) if path.end == "input" else PASSES
            yield (
                f"the chain {chain} of the table {table} drops what guests send to {path.what}: a "
                "firewall that is not Portico's has made it so",
                _mend(table, chain, list(passes)),
            )


def _policies(shown: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (
            f"the chain {chain} of the table {table} drops what guests send: a firewall that is "
            "not Portico's has made it so",
            _mend(table, chain, refused),
        )
        for table, chains in TABLES.findall(shown)
        for chain in FORWARDS.findall(chains)
        if (refused := _refused(nft.run(f"list table {table}")))
    )


def _refused(shown: str) -> list[str]:
    """Which of PASSES no rule of the table accepts."""
    return [
        each
        for each in PASSES
        if not re.search(rf"^\s*{re.escape(each)}\s+(counter\s+)?accept", shown, re.MULTILINE)
    ]


def _mend(table: str, chain: str, refused: list[str]) -> str:
    rules = "; ".join(f"insert rule {table} {chain} {each} accept" for each in refused)
    return f"nft '{rules}'"
