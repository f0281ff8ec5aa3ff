"""iptables-legacy, whose rules lie in tables of the kernel that nftables does not show."""

import re
import shutil
import subprocess
from pathlib import Path

NAMES = Path("/proc/net/ip_tables_names")  # of the tables that are in use; iptables(8)
PROGRAM = "iptables-legacy"
CHAINS = {"postrouting": "FORWARD", "input": "INPUT"}  # by where a path ends
DROPS = re.compile(r"^-P (FORWARD|INPUT) DROP|-j (DROP|REJECT)")
PASSES = {  # what lets guests through, by the chain
    "FORWARD": ("-i pout+", "-o pout+", "-i pbr+"),
    "INPUT": ("-i pout+",),
}


def in_use() -> bool:
    """Whether rules of iptables-legacy may be in the way of anything."""
    try:
        return bool(NAMES.read_text().split())
    except FileNotFoundError:  # the kernel knows nothing of it
        return False


def obstacle(end: str) -> tuple[str, str] | None:
    """The chain that can have dropped a packet which has not come to `end`, "postrouting" or
    "input", and the command that lets guests through; None when none drops anything."""
    chain, rules = CHAINS[end], _rules() if in_use() else []
    if not any(DROPS.search(each) for each in rules):
        return None
    missing = [
        f"{PROGRAM} -I {chain} {each} -j ACCEPT"
        for each in PASSES[chain]
        if f"-A {chain} {each} -j ACCEPT" not in rules
    ]
    return (f"the chain {chain} of iptables-legacy", " && ".join(missing)) if missing else None


def _rules() -> list[str]:
    if not shutil.which(PROGRAM):  # they cannot be read, so the worst is thought of them
        return ["-P FORWARD DROP"]
    shown = subprocess.run(
        [PROGRAM, "-w", "5", "-S"], capture_output=True, text=True, timeout=60, check=False
    )
    return shown.stdout.splitlines()
