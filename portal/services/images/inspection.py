"""Judges a disk image while it streams by. What is refused is refused as early as it is known.

Two judges have to agree: our own reading of the header, and the format inspector of oslo.utils,
which knows the foreign formats and files that are several formats at once.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from oslo_utils.imageutils.format_inspector import (
    ImageFormatError,
    InspectWrapper,
    SafetyCheckFailed,
)

from portal.errors import Refused
from workers import foreign, qcow2

HEAD_LARGEST = 2**21  # bytes: the largest cluster of a qcow2 file
RAW_SMALLEST = 2**20  # bytes
BOOTABLE = b"\x55\xaa"  # at the end of the first sector, by BIOS and by UEFI

_refused = functools.partial(Refused, field="file")


@dataclasses.dataclass(frozen=True)
class Disk:
    """What a harmless file holds."""

    format: str  # "qcow2" or "raw"
    virtual_size_bytes: int


class Judge:
    """Passes the chunks of a file on, and raises Refused as soon as it must not be taken."""

    def __init__(self, chunks: Iterable[bytes], *, most_virtual_bytes: int, announced: str = ""):
        """`announced` is the format that the file is said to have. Of a raw disk that is believed,
        whatever it holds, as long as it cannot be taken for another format."""
        self._announced = announced
        self._wrapper = InspectWrapper(iter(chunks))
        self._most_virtual_bytes = most_virtual_bytes
        self._head = bytearray()
        self._header: qcow2.Header | None = None
        self._judged = False
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._wrapper:
            self._size += len(chunk)
            if not self._judged:
                self._head += chunk[: HEAD_LARGEST - len(self._head)]
                self._judge_head(whole=False)
            yield chunk

    def verdict(self, file: BinaryIO) -> Disk:
        """What the file holds, all of whose chunks have been passed on. `file` is that file, to
        look into its tables. Raises Refused."""
        self._judge_head(whole=True)
        self._ask_oslo()
        found = "qcow2" if self._header else "raw"
        if self._announced not in ("", found):
            raise _refused(
                "This was announced as {announced}, and it is {found}. Announce what it is.",
                announced=self._announced,
                found=found,
            )
        if self._header:
            with _translated(self._most_virtual_bytes):
                qcow2.check_tables(file, self._header, self._size)
            return Disk("qcow2", self._header.virtual_size_bytes)
        self._check_raw(file)
        return Disk("raw", self._size)

    def _judge_head(self, *, whole: bool) -> None:
        """`whole`: the file has ended, no more of it will be known."""
        if self._judged:
            return
        head = bytes(self._head)
        if whole and not head:
            raise _refused("The file is empty.")
        enough = foreign.HEAD_BYTES
        if head.startswith(qcow2.MAGIC):
            enough = qcow2.header_size(head) or foreign.HEAD_BYTES
        if len(head) < enough and not whole:
            return
        self._judged = True
        if found := foreign.no_disk(head):
            raise _refused(
                "This is {found}, not a disk. {way_out}", found=found.words, way_out=found.way_out
            )
        if head.startswith(qcow2.MAGIC):
            with _translated(self._most_virtual_bytes):
                self._header = qcow2.parse(head, most_virtual_bytes=self._most_virtual_bytes)

    def look(self, size_bytes: int) -> None:
        """Only the beginning of a file of so many bytes was passed on: it may be harmless. Raises
        Refused."""
        self._judge_head(whole=self._size >= size_bytes)
        self._refuse_foreign()
        if self._judged and not self._header:
            self._check_raw_as_it_begins(size_bytes)

    def _refuse_foreign(self) -> dict:
        """What oslo.utils finds that the file may be. Raises Refused for what is not taken."""
        found = {str(each): each for each in self._wrapper.formats or ()}
        for name in found.keys() & foreign.DISKS.keys():
            other = foreign.DISKS[name]
            raise _refused(
                "This is {found}; qcow2 and raw disks are taken. {way_out}",
                found=other.words,
                way_out=other.way_out,
            )
        return found

    def _ask_oslo(self) -> None:
        found = self._refuse_foreign()
        if len(found) > 1 or (self._header is not None) != ("qcow2" in found):
            raise _refused("This file is several formats at once, so it is not taken.")
        if self._header:
            try:
                found["qcow2"].safety_check()
            except (SafetyCheckFailed, ImageFormatError):
                raise _refused(
                    "This qcow2 file is not harmless by itself. {way_out}", way_out=qcow2.CONVERT
                ) from None

    def _check_raw(self, file: BinaryIO) -> None:
        file.seek(max(0, self._size - foreign.TAIL_BYTES))
        if found := foreign.fixed_vhd(file.read(foreign.TAIL_BYTES)):
            raise _refused(
                "This is {found}. qcow2 and raw disks are taken. {way_out}",
                found=found.words,
                way_out=found.way_out,
            )
        if self._announced:
            self._check_size(self._size)
        else:
            self._check_raw_as_it_begins(self._size)

    def _check_raw_as_it_begins(self, size: int) -> None:
        if size < RAW_SMALLEST:
            raise _refused(
                "This file has {size:count} bytes: too few for a disk that starts a machine.",
                size=size,
            )
        if size % foreign.SECTOR:
            raise _refused(
                "This is no disk, or it is cut short: its {size:count} bytes are no multiple of "
                "{sector}.",
                size=size,
                sector=foreign.SECTOR,
            )
        self._check_size(size)
        if self._head[foreign.SECTOR - 2 : foreign.SECTOR] != BOOTABLE:
            raise _refused(
                "This is neither a qcow2 file nor a raw disk that starts a machine: its first "
                "sector bears no boot signature."
            )

    def _check_size(self, size: int) -> None:
        if size > self._most_virtual_bytes:
            raise _refused(
                "This disk is larger than the {most_gib:count} GiB that are taken.",
                most_gib=self._most_virtual_bytes // 2**30,
            )


def check_beginning(head: bytes, size_bytes: int, *, most_virtual_bytes: int) -> None:
    """Return when a file of so many bytes that begins with `head` may be a harmless disk, as far
    as its beginning tells. Raises Refused."""
    judge = Judge([head], most_virtual_bytes=most_virtual_bytes)
    for _ in judge:
        pass
    judge.look(size_bytes)


@contextlib.contextmanager
def _translated(most_virtual_bytes: int) -> Iterator[None]:
    """What the reader says against a file becomes a refusal."""
    try:
        yield
    except qcow2.WrongSize as wrong:
        if wrong.size_bytes < 1:
            raise _refused("This qcow2 file holds an empty disk.") from None
        raise _refused(
            "This disk is {gib:count} GiB large when unpacked; {most_gib:count} GiB is the largest "
            "that is taken.",
            gib=_gib(wrong.size_bytes),
            most_gib=_gib(most_virtual_bytes),
        ) from None
    except qcow2.Harmful as harmful:
        reason = harmful.of("this qcow2 file")
        raise _refused(
            "{reason}. {way_out}",
            reason=f"{reason[0].upper()}{reason[1:]}",
            way_out=harmful.way_out,
        ) from None


def _gib(size: int) -> int:
    return -(-size // 2**30)
