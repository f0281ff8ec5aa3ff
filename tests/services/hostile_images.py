"""qcow2 files that a hostile person would send as an image, and what is wrong with each."""

import json
import struct

from tests.services.image_files import (
    CLUSTER,
    COPIED,
    GIB,
    MIB,
    bootable,
    extension,
    listed_in,
    qcow2,
)

BACKING_FORMAT, DATA_FILE, FEATURE_NAMES = 0xE2792ACA, 0x44415441, 0x6803F857

HOSTILE: dict = {}
hostile = listed_in(HOSTILE)


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
def qcow2_with_a_partition_table(path):
    file = bytearray(qcow2(extensions=extension(DATA_FILE, path.encode()), incompatible=4))
    file[446:462] = b"\0\0\2\0\xee\xff\xff\xff\1\0\0\0\xff\xff\xff\xff"
    file[512:520] = b"EFI PART"
    return bootable(bytes(file))


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
