"""What makes a qcow2 file harmless, read from its own bytes.

Field names and limits are those of QEMU's docs/interop/qcow2.rst and block/qcow2.h. A file passes
only if it is whole in itself: it names no other file, and every cluster of the disk has a place
of its own inside it. Nothing here asks QEMU, which would open what a hostile file names.

Portal and hosts both read by this: what a person sends and what a host fetches are judged alike.
"""

import dataclasses
import struct
from typing import BinaryIO

MAGIC = b"QFI\xfb"
FIXED = struct.Struct(">4sIQIIQIIQQIIQ")  # 72 bytes: all of version 2
HEAD_SMALLEST = FIXED.size
MORE = struct.Struct(">QQQII")  # up to 104: what version 3 adds
CLUSTER_BITS = range(9, 22)
REFCOUNT_ORDERS = range(7)
L1_LARGEST = 32 * 2**20  # bytes: QCOW_MAX_L1_SIZE
REFCOUNT_TABLE_LARGEST = 8 * 2**20  # bytes: QCOW_MAX_REFTABLE_SIZE
ENTRIES_MOST = 2**24  # of all L2 tables: a disk of 1 TiB with clusters of 64 KiB
CLUSTERS_MOST = 2**25  # of the file

DIRTY, CORRUPT, DATA_FILE, COMPRESSION, EXTENDED_L2 = (1 << bit for bit in range(5))
END = 0
HARMFUL = {  # header extensions
    0xE2792ACA: "{file} is only the changes to a backing file",
    0x44415441: "the data of {file} is in another file",
    0x0537BE77: "{file} is encrypted",
    0x23852875: "{file} holds bitmaps of changes",
}
OFFSET = 0x00FF_FFFF_FFFF_FE00  # bits 9 to 55 of an entry
COMPRESSED = 1 << 62
FREE, OWN, PACKED = 0, 1, 2  # a cluster of the file: unused, of one thing, of compressed data

CONVERT = "Make a clean copy: qemu-img convert -O qcow2 OLD NEW"
AGAIN = "Send it once more."


class Harmful(ValueError):
    """Why a file is not taken; `way_out` is what its sender can do."""

    def __init__(self, reason: str, way_out: str = CONVERT):
        super().__init__(reason)
        self._reason, self.way_out = reason, way_out

    def of(self, file: str) -> str:
        """The reason, with what the file is called: "this qcow2 file"."""
        return self._reason.format(file=file)


class WrongSize(Harmful):
    """The disk in the file is empty or too large."""

    def __init__(self, size_bytes: int):
        super().__init__(f"the disk in {{file}} has {size_bytes} bytes")
        self.size_bytes = size_bytes


@dataclasses.dataclass(frozen=True)
class Header:
    """What a harmless header says."""

    cluster_bits: int
    virtual_size_bytes: int
    l1_entries: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int

    @property
    def cluster(self) -> int:
        """Bytes of a cluster."""
        return 1 << self.cluster_bits

    @property
    def l2_entries(self) -> int:
        """Clusters of the disk that one L2 table maps."""
        return self.cluster // 8


def header_size(head: bytes) -> int | None:
    """How many bytes `parse` wants to see of a file that begins with `head`: its first cluster.
    None while that is not known."""
    if len(head) < FIXED.size:
        return None
    bits = FIXED.unpack_from(head)[4]
    return 1 << bits if bits in CLUSTER_BITS else FIXED.size


def parse(head: bytes, *, most_virtual_bytes: int) -> Header:
    """The header of a file that begins with `head`, its first cluster or all of it. Raises
    Harmful for everything that a disk by itself does not need."""
    if len(head) < FIXED.size:
        raise Harmful("{file} is cut short in its header", AGAIN)
    (_, version, backing, backing_size, bits, size, crypt, l1_entries, l1_offset,
     refcount_offset, refcount_clusters, snapshots, _) = FIXED.unpack_from(head)  # fmt: skip
    if version not in (2, 3):
        raise Harmful(f"{{file}} is of qcow version {version}; 2 and 3 are taken")
    if backing or backing_size:
        raise Harmful("{file} is only the changes to a backing file")
    if crypt:
        raise Harmful("{file} is encrypted")
    if snapshots:
        raise Harmful(f"{{file}} holds {snapshots} snapshots")
    if bits not in CLUSTER_BITS:
        raise Harmful(f"{{file}} is damaged: it says that its clusters have 2^{bits} bytes")
    if not 0 < size <= most_virtual_bytes:
        raise WrongSize(size)
    length = _check_version_3(head, 1 << bits) if version == 3 else FIXED.size
    _check_extensions(head[: 1 << bits], length)
    header = Header(bits, size, l1_entries, l1_offset, refcount_offset, refcount_clusters)
    _check_tables_fit(header, most_virtual_bytes)
    return header


def check_tables(file: BinaryIO, header: Header, size_bytes: int) -> None:
    """Return when every cluster of the disk has a place of its own in the file. Raises Harmful
    for one that lies outside, or that two things claim."""
    clusters = -(-size_bytes // header.cluster)
    if clusters > CLUSTERS_MOST:
        raise Harmful("the clusters of {file} are too small for its size")
    places = _Places(header, size_bytes, bytearray(clusters))
    places.claim(0)
    for offset, length in (
        (header.l1_offset, header.l1_entries * 8),
        (header.refcount_offset, header.refcount_clusters * header.cluster),
    ):
        for each in range(offset, offset + length, header.cluster):
            places.claim(each)
    for entry in _entries(
        file, header.refcount_offset, header.refcount_clusters * header.cluster // 8
    ):
        if entry:
            places.claim(entry & ~0x1FF)
    tables = [
        entry & OFFSET
        for entry in _entries(file, header.l1_offset, header.l1_entries)
        if entry & OFFSET
    ]
    if len(tables) * header.l2_entries > ENTRIES_MOST:
        raise Harmful("the tables of {file} are too large")
    for table in tables:
        places.claim(table)
    for table in tables:
        _check_l2(_entries(file, table, header.l2_entries), places)


@dataclasses.dataclass(frozen=True)
class _Places:
    """Who has which cluster of the file."""

    header: Header
    size_bytes: int
    used: bytearray

    def claim(self, offset: int) -> None:
        """The cluster that begins at `offset` belongs to one thing."""
        if offset % self.header.cluster or offset >= self.size_bytes:
            raise Harmful(
                "{file} is damaged or cut short: a part of the disk lies outside of it", AGAIN
            )
        number = offset >> self.header.cluster_bits
        if self.used[number] != FREE:
            raise Harmful("{file} is damaged: two parts of the disk share one place")
        self.used[number] = OWN

    def pack(self, offset: int) -> None:
        """Compressed data begins at `offset`, in a cluster that may hold more of it."""
        number = offset >> self.header.cluster_bits
        if offset >= self.size_bytes or self.used[number] == OWN:
            raise Harmful("{file} is damaged: compressed data lies where it cannot be", AGAIN)
        self.used[number] = PACKED


def _check_l2(entries: tuple[int, ...], places: _Places) -> None:
    packed = (1 << (62 - (places.header.cluster_bits - 8))) - 1
    for entry in entries:
        if entry & COMPRESSED:
            places.pack(entry & packed)
        elif entry & OFFSET:
            places.claim(entry & OFFSET)


def _check_version_3(head: bytes, cluster: int) -> int:
    """How long the header is. Raises Harmful for features that are not harmless."""
    if len(head) < FIXED.size + MORE.size:
        raise Harmful("{file} is cut short in its header", AGAIN)
    features, _, _, order, length = MORE.unpack_from(head, FIXED.size)
    if features & (DIRTY | CORRUPT):
        raise Harmful("{file} was not closed properly", "Repair it: qemu-img check -r all FILE")
    if features & DATA_FILE:
        raise Harmful("the data of {file} is in another file")
    if features & EXTENDED_L2:
        raise Harmful("{file} has extended L2 entries (subclusters)")
    if unknown := features & ~COMPRESSION:
        raise Harmful(f"{{file}} needs features that are unknown ({unknown:#x})")
    if order not in REFCOUNT_ORDERS or length % 8 or not 104 <= length <= cluster:
        raise Harmful("the header of {file} makes no sense")
    if features & COMPRESSION and (length < 112 or head[104:105] not in (b"\0", b"\1")):
        raise Harmful("the compression of {file} is unknown")
    return length


def _check_extensions(head: bytes, offset: int) -> None:
    """Header extensions follow each other until one of type END, all in the first cluster."""
    while len(head) - offset >= 8:
        kind, length = struct.unpack_from(">II", head, offset)
        offset += 8 + -(-length // 8) * 8
        if kind == END:
            return
        if kind in HARMFUL:
            raise Harmful(HARMFUL[kind])
    raise Harmful("{file} is cut short in its header", AGAIN)


def _check_tables_fit(header: Header, most_virtual_bytes: int) -> None:
    mapped = header.l2_entries * header.cluster  # bytes of the disk that one L2 table maps
    needed = -(-header.virtual_size_bytes // mapped)
    largest = min(L1_LARGEST // 8, max(needed, -(-most_virtual_bytes // mapped)))
    if not needed <= header.l1_entries <= largest:
        raise Harmful("the tables of {file} do not fit its disk")
    refcounts = header.refcount_clusters * header.cluster
    if not 0 < refcounts <= max(REFCOUNT_TABLE_LARGEST, header.cluster):
        raise Harmful("the tables of {file} do not fit its disk")


def _entries(file: BinaryIO, offset: int, count: int) -> tuple[int, ...]:
    file.seek(offset)
    data = file.read(count * 8)
    if len(data) < count * 8:
        raise Harmful("{file} is cut short in its tables", AGAIN)
    return struct.unpack(f">{count}Q", data)
