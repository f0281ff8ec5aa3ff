"""Whole nftables rulesets, put into the kernel and compared with it, through libnftables.

In process a table of ten ports takes 5 ms where the `nft` program takes 30 (it starts first).
Everything acts on the network namespace of the calling thread. See libnftables(3).
"""

import contextlib
import ctypes
import fcntl
import functools
import hashlib
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workers.drivers import records
from workers.drivers.sequence import kernel_boot_id

STATELESS = 1 << 2  # NFT_CTX_OUTPUT_STATELESS: no counters, so that a dump says only the rules

DYNAMIC = re.compile(r"set (\S+) \{[^{}]*flags dynamic")
OF_PACKETS = re.compile(r"(flags dynamic[^{}]*?)\s*elements = \{[^{}]*\}")

_one_at_a_time = threading.Lock()  # the parser of libnftables is not re-entrant


class NftError(RuntimeError):
    """The kernel or the parser refused; nothing of the transaction was applied."""


@dataclass(frozen=True)
class Ruleset:
    """Tables that belong together, and the file that remembers how the kernel showed them.

    The kernel prints rules in its own words, so what it holds is compared with what it held
    right after they were applied. A reboot empties the kernel: the file then says nothing.
    """

    tables: tuple[tuple[str, str], ...]  # (family, name)
    record: Path

    def ensure(self, text: str, **remarks) -> None:
        """The kernel holds exactly `text` in these tables, changed in one transaction.

        `remarks` are kept with it, for `held`. Processes that want it take turns."""
        with self._turn():
            self._ensure(text, remarks)

    def _ensure(self, text: str, remarks: dict) -> None:
        held = self.held() if self._sum_of_text(text) == self._recorded().get("text") else None
        if held == remarks:
            return
        if held is None:
            self._replace(text)
        records.write(
            self.record,
            {
                "boot_id": kernel_boot_id(),
                "text": self._sum_of_text(text),
                "kernel": self._sum_of_kernel(),
                "remarks": remarks,
            },
        )

    def held(self) -> dict | None:
        """The remarks of what the kernel holds; None when that was changed since, or is gone."""
        recorded = self._recorded()
        if not recorded or recorded["kernel"] != self._sum_of_kernel():
            return None
        return recorded["remarks"]

    def remembered(self) -> dict | None:
        """The remarks of what was applied last in this boot, whether or not the kernel still
        holds it; None if nothing was."""
        return self._recorded().get("remarks")

    def remove(self) -> None:
        """The kernel holds none of these tables, and nothing is remembered of them."""
        run(self._cleared())
        records.remove(self.record)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        lock = self.record.with_suffix(".lock")
        lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(lock, "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _replace(self, text: str) -> None:
        _refill(self._shown(), text, self._cleared())

    def _cleared(self) -> str:
        """Commands that end these tables, whether or not they are there."""
        return "".join(f"table {each}\ndelete table {each}\n" for each in self._names())

    def _names(self) -> list[str]:
        return [f"{family} {name}" for family, name in self.tables]

    def _recorded(self) -> dict:
        recorded = records.read(self.record)
        return recorded if recorded.get("boot_id") == kernel_boot_id() else {}

    def _sum_of_text(self, text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    def _sum_of_kernel(self) -> str:
        return hashlib.sha256(settled(self._shown()).encode()).hexdigest()

    def _shown(self) -> str:
        """What the kernel holds of these tables."""
        shown = ""
        for each in self._names():
            with contextlib.suppress(NftError):  # it is not there
                shown += run(f"list table {each}")
        return shown


def run(commands: str) -> str:
    """What libnftables prints for these commands, applied as one transaction."""
    library = _library()
    with _one_at_a_time:
        context = library.nft_ctx_new(0)
        try:
            library.nft_ctx_buffer_output(context)
            library.nft_ctx_buffer_error(context)
            library.nft_ctx_output_set_flags(context, STATELESS)
            failed = library.nft_run_cmd_from_buffer(context, commands.encode())
            if failed:
                raise NftError(library.nft_ctx_get_error_buffer(context).decode(errors="replace"))
            return library.nft_ctx_get_output_buffer(context).decode()
        finally:
            library.nft_ctx_free(context)


def refill(text: str) -> None:
    """The network namespace of the calling thread holds `text` and no other rules."""
    _refill(run("list ruleset"), text, "flush ruleset\n")


def unreadable() -> tuple[str, ...]:
    """The tables that this release cannot read, found out by a program that may crash of it: in
    process, whatever has made them would end us with every look. Raises RuntimeError when not even
    their names can be listed."""

    def nft(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(["nft", *words], capture_output=True, text=True, timeout=60)

    listed = nft("list", "tables")
    if listed.returncode:
        said = listed.stderr.strip() or f"it ended with status {listed.returncode}"
        raise RuntimeError(f"nft cannot list the tables of this machine: {said}")
    tables = (line.removeprefix("table ") for line in listed.stdout.splitlines())
    return tuple(each for each in tables if nft("list", "table", *each.split()).returncode)


def elements(set_: str) -> list[str]:
    """What is in this set ("family table name") now; nothing when there is none."""
    try:
        found = re.search(r"elements = \{(.*?)\}", run(f"list set {set_}"), re.DOTALL)
    except NftError:
        return []
    return [each.strip() for each in found[1].split(",")] if found else []


def transition(shown: str, text: str) -> str:
    """Commands that empty the tables in `shown` for `text`, and end what `text` has not."""
    old, new = objects(shown), objects(text)
    counting = set(DYNAMIC.findall(text))  # what packets have put there stays
    commands = []
    for table, kept in old.items():
        if table not in new:
            commands.append(f"delete table {table}")
            continue
        commands.append(f"flush table {table}")  # of its rules
        commands += [
            f"flush {kind} {table} {name}"
            for kind, name in kept
            if kind != "chain" and name not in counting
        ]
        ended = [each for each in kept if each not in new[table]]
        commands += [f"delete {kind} {table} {name}" for kind, name in ended]
    return "".join(f"{command}\n" for command in commands)


def objects(text: str) -> dict[str, list[tuple[str, str]]]:
    """Kind and name of each chain, set and map, by table."""
    found: dict[str, list[tuple[str, str]]] = {}
    for kind, name in re.findall(r"^\s*(table \w+|chain|set|map) (\S+) \{", text, re.MULTILINE):
        if kind.startswith("table "):
            inner = found.setdefault(f"{kind.removeprefix('table ')} {name}", [])
        else:
            inner.append((kind, name))
    return found


def settled(dump: str) -> str:
    """A dump whose sets are sorted: the kernel walks a hash table in no order that lasts; without
    what packets have put into them."""
    dump = OF_PACKETS.sub(r"\1", dump)
    return re.sub(r"elements = \{(.*?)\}", _sorted_elements, dump, flags=re.DOTALL)


def _refill(shown: str, text: str, cleared: str) -> None:
    """What is `shown` becomes `text`, by way of the commands `cleared` if there is no other.

    Chains that stay are kept and only filled anew: a packet that is on its way while the kernel
    changes hooks would pass between the old one and the new one."""
    try:
        run(transition(shown, text) + text)
    except NftError:  # a set or hook of that name is of another kind, as after an upgrade
        run(cleared + text)


def _sorted_elements(match: re.Match) -> str:
    elements = sorted(" ".join(each.split()) for each in match[1].split(","))
    return f"elements = {{{', '.join(elements)}}}"


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libnftables.so.1")
    library.nft_ctx_new.argtypes, library.nft_ctx_new.restype = [ctypes.c_uint32], ctypes.c_void_p
    for name in ("nft_ctx_free", "nft_ctx_buffer_output", "nft_ctx_buffer_error"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = ctypes.c_char_p
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    return library
