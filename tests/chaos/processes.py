"""Who runs: what /proc says of the processes of a run."""

import dataclasses
import os
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Process:
    """A living process."""

    pid: int
    parent: int
    words: tuple[str, ...]  # its command

    @property
    def line(self) -> str:
        return " ".join(self.words)


def everything() -> list[Process]:
    """Every process that has a command, of this PID namespace."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            status = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            words = Path(f"/proc/{entry}/cmdline").read_text(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[0] and status[0] not in "ZX":
            command = tuple(word for word in words if word)
            found.append(Process(int(entry), int(status[1]), command))
    return found


def below(root: int, among: list[Process]) -> list[Process]:
    """The descendants of a process."""
    family, grown = {root}, True
    while grown:
        more = {each.pid for each in among if each.parent in family} - family
        grown = bool(more)
        family |= more
    return [each for each in among if each.pid in family - {root}]
