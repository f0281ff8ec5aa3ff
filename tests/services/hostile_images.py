"""Files that a hostile person would send as an image. Each is small, and most are cut from the
same cloth: a qcow2 file of six clusters with one thing wrong.

    cluster 0 header · 1 refcount table · 2 refcount block · 3 L1 table · 4 L2 table · 5 data
"""

import gzip
import io
import json
import struct
import tarfile
from collections.abc import Callable

CLUSTER = 2**16
MIB, GIB = 2**20, 2**30
COPIED = 1 << 63  # an entry whose cluster is nobody else's
BACKING_FORMAT, DATA_FILE, FEATURE_NAMES = 0xE2792ACA, 0x44415441, 0x6803F857

HOSTILE: dict[str, Callable[[str], bytes]] = {}  # name → the file that wants to read a path


def hostile(build: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """`build` makes a file that is to be refused; its argument is a path it wants to read."""
    HOSTILE[build.__name__] = build
    return build


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


# What would read files of the host, or other machines


@hostile
def backing_file(path):
    return qcow2(backing=path, extensions=extension(BACKING_FORMAT, b"raw"))


@hostile
def backing_file_by_a_relative_path(path):
    return qcow2(backing="../../../../../.." + path, extensions=extension(BACKING_FORMAT, b"raw"))


@hostile
def backing_file_without_a_format(path):
    return qcow2(backing=path)


@hostile
def backing_file_in_json(path):
    inner = {"driver": "raw", "file": {"driver": "file", "filename": path}}
    return qcow2(backing=f"json:{json.dumps(inner)}")


@hostile
def backing_by_nbd(path):
    return qcow2(backing="nbd://127.0.0.1:1/x")


@hostile
def backing_by_http(path):
    return qcow2(backing="http://127.0.0.1:1/latest/meta-data")


@hostile
def backing_by_rbd(path):
    return qcow2(backing="rbd:rbd/volume-of-another-project")


@hostile
def backing_file_of_version_2(path):
    return qcow2(backing=path, version=2)


@hostile
def backing_format_alone(path):
    return qcow2(extensions=extension(BACKING_FORMAT, b"raw"))


@hostile
def version_1(path):
    name = path.encode()
    header = struct.pack(">4sIQIIQBBHIQ", b"QFI\xfb", 1, 48, len(name), 0, MIB, 12, 9, 0, 0, 0x200)
    return header + name + b"\0" * 2048


def mapped_one_to_one() -> dict:
    entries = tuple(COPIED | number * CLUSTER for number in range(16))
    return {"incompatible": 4, "autoclear": 2, "l2": entries}


@hostile
def data_file(path):
    return qcow2(extensions=extension(DATA_FILE, path.encode()), **mapped_one_to_one())


@hostile
def data_file_in_json(path):
    inner = "json:" + json.dumps({"driver": "file", "filename": path})
    return qcow2(extensions=extension(DATA_FILE, inner.encode()), **mapped_one_to_one())


@hostile
def data_file_without_a_name(path):
    return qcow2(incompatible=4)


@hostile
def data_file_name_without_the_bit(path):
    return qcow2(extensions=extension(DATA_FILE, path.encode()))


@hostile
def data_file_behind_another_extension(path):
    both = extension(FEATURE_NAMES, b"\0" * 384) + extension(DATA_FILE, path.encode())
    return qcow2(extensions=both, **mapped_one_to_one())


@hostile
def backing_file_in_what_is_called_raw(path):
    return bootable(qcow2(backing=path), 4 * MIB)


def descriptor(kind: str, extents: str, parent: str = "") -> bytes:
    hint = f'parentFileNameHint="{parent}"\n' if parent else ""
    return (
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\n"
        f"parentCID={'12345678' if parent else 'ffffffff'}\n{hint}"
        f'createType="{kind}"\n\n# Extent description\n{extents}\n\n#DDB\n'
        'ddb.adapterType = "ide"\n'
    ).encode()


def vmdk(inner: bytes, capacity: int = 2048) -> bytes:
    header = struct.pack(
        "<4sIIQQQQIQQQB4sH",
        *(b"KDMV", 1, 3, capacity, 128, 1, 20, 512, 21, 26, 128, 0, b"\n \r\n", 0),
    )
    return header.ljust(512, b"\0") + inner.ljust(20 * 512, b"\0") + b"\0" * (128 * 512)


@hostile
def vmdk_flat(path):
    return descriptor("monolithicFlat", f'RW 2048 FLAT "{path}" 0')


@hostile
def vmdk_in_two_files(path):
    return descriptor("twoGbMaxExtentFlat", f'RW 1024 FLAT "{path}" 0\nRW 1024 FLAT "{path}" 0')


@hostile
def vmdk_of_vmfs(path):
    return descriptor("vmfs", f'RW 2048 VMFS "{path}"')


@hostile
def vmdk_custom(path):
    return descriptor("custom", f'RW 1024 ZERO\nRW 1024 FLAT "{path}" 0')


@hostile
def vmdk_that_lies_about_its_type(path):
    return vmdk(descriptor("monolithicFlat", f'RW 2048 FLAT "{path}" 0'))


@hostile
def vmdk_with_a_path_for_an_extent(path):
    return vmdk(descriptor("monolithicSparse", f'RW 2048 SPARSE "{path}"'))


@hostile
def vmdk_with_a_parent(path):
    return vmdk(descriptor("monolithicSparse", 'RW 2048 SPARSE "x.vmdk"', parent=path))


@hostile
def vmdk_without_a_descriptor(path):
    return vmdk(b"")


@hostile
def qed_with_a_backing_file(path):
    name = path.encode()
    numbers = (CLUSTER, 4, 1, 1, 0, 0, CLUSTER, MIB, 72, len(name))
    header = struct.pack("<4sIIIQQQQQII", b"QED\0", *numbers)
    return header + b"\0" * 8 + name + b"\0" * (5 * CLUSTER)


# What QEMU would take for a format that nobody allowed


@hostile
def bochs(path):
    names = b"Bochs Virtual HD Image".ljust(32, b"\0") + b"Redolog".ljust(16, b"\0")
    numbers = struct.pack("<IIIIIIQ", 0x20000, 512, 1, 512, CLUSTER, 0, MIB)
    return bootable(names + b"Growing".ljust(16, b"\0") + numbers)


@hostile
def parallels(path):
    numbers = (2, 16, 512, 2048, 1, 2048, 0x746F6E59, 0)
    return bootable(b"WithoutFreeSpace" + struct.pack("<IIIIIQII", *numbers))


@hostile
def cloop(path):
    script = b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660\n"
    return bootable(script.ljust(128, b"\0") + struct.pack(">II", CLUSTER, 1))


@hostile
def vhd_of_four_exbibytes(path):
    footer = struct.pack(
        ">8sIIQI4sI4sQQHBBII16sB",
        *(b"conectix", 2, 0x10000, 512, 0, b"evil", 0, b"Wi2k", 1 << 62, 1 << 62),
        *(65535, 16, 255, 3, 0, b"\1" * 16, 0),
    ).ljust(512, b"\0")
    return footer + b"\0" * 1536 + footer


@hostile
def vmdk_of_two_zebibytes(path):
    return vmdk(descriptor("monolithicSparse", 'RW 9 SPARSE "x.vmdk"'), capacity=1 << 52)


# What would cost too much


@hostile
def eight_exbibytes(path):
    return qcow2((1 << 63) - 512, l1_entries=1)


@hostile
def one_exbibyte(path):
    return qcow2(1 << 60, l1_entries=1)


@hostile
def two_tebibytes(path):
    return qcow2(2 << 40)


@hostile
def bomb(path):
    """64 GiB that are not zero, in 384 KiB."""
    return qcow2(64 * GIB, l1=(4 * CLUSTER,) * 128, l2=(5 * CLUSTER,) * 8192)


@hostile
def many_snapshots(path):
    return qcow2(snapshots=65_536, snapshots_offset=6 * CLUSTER) + b"\0" * (40 * 65_536)


@hostile
def l1_table_of_32_mib(path):
    return qcow2(l1_entries=(32 * MIB) // 8) + b"\0" * (32 * MIB)


@hostile
def l1_table_beyond_all_limits(path):
    return qcow2(l1_entries=0x7FFFFFFF)


@hostile
def l1_table_too_short(path):
    return qcow2(64 * GIB, l1_entries=1)


@hostile
def refcounts_of_2_to_the_63_bits(path):
    return qcow2(refcount_order=63)


@hostile
def refcount_table_of_1_gib(path):
    return qcow2(refcount_clusters=16_384)


@hostile
def l2_table_that_is_the_l1_table(path):
    return qcow2(l1=(COPIED | 3 * CLUSTER,))


@hostile
def data_in_the_refcounts(path):
    return qcow2(l2=(COPIED | 2 * CLUSTER,))


@hostile
def data_between_two_clusters(path):
    return qcow2(l2=(COPIED | 5 * CLUSTER + 512,))


@hostile
def data_outside_of_the_file(path):
    return qcow2(l2=(COPIED | 600 * CLUSTER,))


@hostile
def compressed_data_in_the_l1_table(path):
    return qcow2(l2=(1 << 62 | 3 * CLUSTER,))


@hostile
def clusters_of_a_tebibyte(path):
    return qcow2(cluster_bits=40)


@hostile
def clusters_of_one_byte(path):
    return qcow2(cluster_bits=0)


@hostile
def unknown_features(path):
    return qcow2(incompatible=1 << 40)


@hostile
def dirty_and_corrupt(path):
    return qcow2(incompatible=3)


@hostile
def encrypted(path):
    return qcow2(crypt=2)


@hostile
def gzip_bomb(path):
    return gzip.compress(b"\0" * (64 * MIB))


# What is several things at once, or nothing whole


@hostile
def qcow2_that_is_an_iso_too(path):
    file = bytearray(qcow2(backing=path))
    file[32_769:32_774] = b"CD001"
    return bytes(file)


@hostile
def harmless_qcow2_that_is_an_iso_too(path):
    file = bytearray(qcow2())
    file[32_769:32_774] = b"CD001"
    return bytes(file)


@hostile
def harmless_qcow2_with_a_boot_sector(path):
    return bootable(qcow2())


@hostile
def vmdk_with_a_boot_sector(path):
    return bootable(vmdk(descriptor("monolithicFlat", f'RW 2048 FLAT "{path}" 0')), 4 * MIB)


@hostile
def qcow2_with_a_partition_table(path):
    file = bytearray(qcow2(extensions=extension(DATA_FILE, path.encode()), incompatible=4))
    file[446:462] = b"\0\0\2\0\xee\xff\xff\xff\1\0\0\0\xff\xff\xff\xff"
    file[512:520] = b"EFI PART"
    return bootable(bytes(file))


@hostile
def empty(path):
    return b""


@hostile
def one_byte(path):
    return b"Q"


@hostile
def sector(path):
    return bootable(b"", 512)


@hostile
def noise(path):
    return b"\xa5" * MIB


@hostile
def odd_size(path):
    return bootable(b"") + b"\0"


@hostile
def magic_only(path):
    return b"QFI\xfb"


@hostile
def header_cut(path):
    return qcow2()[:80]


@hostile
def tables_cut(path):
    return qcow2()[: 3 * CLUSTER]


@hostile
def data_cut(path):
    return qcow2()[: 5 * CLUSTER]


@hostile
def vmdk_magic_only(path):
    return b"KDMV"


# Archives


def ova(members: list[tuple[str, bytes, bytes | None, str]]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content, kind, link in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if kind:
                member.type, member.linkname = kind, link
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def envelope(path: str) -> bytes:
    entity = f'<!DOCTYPE e [<!ENTITY x SYSTEM "file://{path}">]>'
    return f'<?xml version="1.0"?>{entity}<Envelope href="{path}">&x;</Envelope>'.encode()


@hostile
def ova_with_an_entity(path):
    return ova([("a.ovf", envelope(path), None, "")])


@hostile
def ova_that_climbs_out(path):
    return ova([("a.ovf", envelope(path), None, ""), ("../../evil", b"x", None, "")])


@hostile
def ova_with_a_symbolic_link(path):
    return ova([("a.ovf", b"<x/>", None, ""), ("disk.vmdk", b"", tarfile.SYMTYPE, path)])


@hostile
def ova_with_a_hard_link(path):
    return ova([("a.ovf", b"<x/>", None, ""), ("disk.vmdk", b"", tarfile.LNKTYPE, path)])
