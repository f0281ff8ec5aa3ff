"""Disk images of a few hundred KiB, made by hand: harmless as they are, hostile by one change.

A qcow2 file of six clusters has all that there can be:

    0 header · 1 refcount table · 2 refcount block · 3 L1 table · 4 L2 table · 5 data
"""

import struct
from collections.abc import Callable

CLUSTER = 2**16
MIB, GIB = 2**20, 2**30
COPIED = 1 << 63  # an entry whose cluster is nobody else's

Builder = Callable[[str], bytes]


def listed_in(register: dict[str, Builder]) -> Callable[[Builder], Builder]:
    """Decorates what makes a file; its argument is a path that the file wants to read."""

    def enter(build: Builder) -> Builder:
        register[build.__name__] = build
        return build

    return enter


def extension(kind: int, content: bytes) -> bytes:
    padded = content.ljust(-(-len(content) // 8) * 8, b"\0")
    return struct.pack(">II", kind, len(content)) + padded


def qcow2(
    size: int = MIB,
    *,
    backing: str = "",
    extensions: bytes = b"",
    l1: tuple[int, ...] = (COPIED | 4 * CLUSTER,),
    l2: tuple[int, ...] = (COPIED | 5 * CLUSTER,),
    **changes,
) -> bytes:
    """A harmless file, but for the `changes` of header fields."""
    tail = extensions + struct.pack(">II", 0, 0) + backing.encode()
    header = {
        "magic": b"QFI\xfb",
        "version": 3,
        "backing_offset": 104 + len(tail) - len(backing.encode()) if backing else 0,
        "backing_size": len(backing.encode()),
        "cluster_bits": 16,
        "size": size,
        "crypt": 0,
        "l1_entries": max(1, -(-size // (CLUSTER * CLUSTER // 8))),
        "l1_offset": 3 * CLUSTER,
        "refcount_offset": CLUSTER,
        "refcount_clusters": 1,
        "snapshots": 0,
        "snapshots_offset": 0,
        "incompatible": 0,
        "compatible": 0,
        "autoclear": 0,
        "refcount_order": 4,
        "header_length": 104,
    } | changes
    file = bytearray(6 * CLUSTER)
    head = struct.pack(">4sIQIIQIIQQIIQQQQII", *header.values()) + tail
    file[: len(head)] = head
    struct.pack_into(">Q", file, CLUSTER, 2 * CLUSTER)
    struct.pack_into(">6H", file, 2 * CLUSTER, *[1] * 6)
    struct.pack_into(f">{len(l1)}Q", file, 3 * CLUSTER, *l1)
    struct.pack_into(f">{len(l2)}Q", file, 4 * CLUSTER, *l2)
    file[5 * CLUSTER :] = b"\xee" * CLUSTER
    return bytes(file)


def bootable(file: bytes, size: int = MIB) -> bytes:
    """The same as a raw disk: with a boot signature, and so large."""
    padded = bytearray(file.ljust(size, b"\0"))
    padded[510:512] = b"\x55\xaa"
    return bytes(padded)
