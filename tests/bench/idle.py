"""What the control plane takes while nothing happens."""

import time
from pathlib import Path

from tests.bench.figures import Figure

SECONDS = 40
GOAL_MIB, GOAL_CORE = 260, 0.005
GONE = (FileNotFoundError, ProcessLookupError)  # a fork that did its one job


def measure(pid: int, when: str) -> list[Figure]:
    """Memory (PSS) and processor time of a process manager and everything below it, but libvirt's
    daemons. `when` says in the table what was before."""
    before = _ticks_of_all(pid)
    time.sleep(SECONDS)
    after = _ticks_of_all(pid)
    lasting = before.keys() & after.keys()
    used = sum(after[each] - before[each] for each in lasting) / 100 / SECONDS
    mib = sum(_pss_kib(each) for each in lasting) / 1024
    return [
        Figure(
            f"control plane idle {when}, PSS",
            f"{mib:.0f} MiB",
            f"<= {GOAL_MIB} MiB",
            mib <= GOAL_MIB,
        ),
        Figure(
            f"control plane idle {when}, processor",
            f"{used:.2%} of a core",
            f"<= {GOAL_CORE:.1%}",
            used <= GOAL_CORE,
        ),
    ]


def _ticks_of_all(pid: int) -> dict[int, int]:
    """Clock ticks used by a process and by each below it, and by their children that have ended:
    proc(5), stat, fields 14 to 17."""
    try:
        ticks = {}
        if b"libvirtd" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks[pid] = sum(int(each) for each in fields[11:15])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except GONE:
        return {}
    for child in children:
        ticks |= _ticks_of_all(int(child))
    return ticks


def _pss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
