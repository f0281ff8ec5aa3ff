"""Firewalls of others on this host that would drop what guests send.

An accept of ours does not outweigh a drop elsewhere (nft(8), verdict statements), and Docker and
ufw give the chain FORWARD the policy drop. Only policies are looked at, not rules that refuse, and
only what nftables shows: iptables-nft is seen, iptables-legacy is not.
"""

import re

from workers.drivers import nft

FORWARDS = re.compile(
    r"chain (\S+) \{\s*type filter hook forward priority [^;]+; policy drop;", re.MULTILINE
)
TABLES = re.compile(r"^table ((?:ip|inet) (?!portico)\S+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
# to the world, from there, and between two guests of a network
PASSES = ('iifname "pout*"', 'oifname "pout*"', 'iifname "pbr*"')


def observe() -> tuple[tuple[str, str], ...]:
    """What stands in the way of guests, and the command that mends it, for each such chain."""
    return tuple(
        (
            f"the chain {chain} of the table {table} drops what guests send: a firewall that is "
            "not Portico's has made it so",
            _mend(table, chain, refused),
        )
        for table, chains in TABLES.findall(nft.run("list chains"))
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
