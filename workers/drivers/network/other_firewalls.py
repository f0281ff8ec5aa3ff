"""Firewalls of others on this host that would drop what guests send.

An accept of ours does not outweigh a drop elsewhere (nft(8), verdict statements), and Docker and
ufw give the chain FORWARD the policy drop. Such policies are read, and for all else the path of a
guest's packet is asked, see `path_probe`. iptables-nft is seen by that; what iptables-legacy drops
does not come to the end of its path, see `legacy`.
"""

import re
from collections.abc import Iterator

from workers.drivers import nft
from workers.drivers.network import legacy, path_probe
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
    others = HOOKS.search(OURS.sub("", chains)) or legacy.in_use()
    if found or not spec or not others:
        return found
    return tuple(dict.fromkeys(_on_paths(spec)))


def _on_paths(spec: NetworkSpec) -> Iterator[tuple[str, str]]:
    for path in path_probe.paths(spec):
        place = path_probe.dropped(path)
        if place == path_probe.LOST:
            yield from _by_legacy(path)
        elif place:
            table, chain = place
            passes = ('iifname "pout*"',) if path.end == "input" else PASSES
            yield (
                f"the chain {chain} of the table {table} drops what guests send to {path.what}: a "
                "firewall that is not Portico's has made it so",
                _mend(table, chain, list(passes)),
            )


def _by_legacy(path: path_probe.Path) -> Iterator[tuple[str, str]]:
    if found := legacy.obstacle(path.end):
        chain, mend = found
        yield (
            f"{chain} drops what guests send to {path.what}: a firewall that is not Portico's has "
            "made it so",
            mend,
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
