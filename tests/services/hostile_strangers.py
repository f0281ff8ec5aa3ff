"""Files of other kinds that a hostile person would send as an image: formats that QEMU would open
if it were asked to guess, archives, and what is no disk at all."""

import gzip
import io
import struct
import tarfile

from tests.services.image_files import CLUSTER, MIB, bootable, listed_in

STRANGE: dict = {}
hostile = listed_in(STRANGE)


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


@hostile
def gzip_bomb(path):
    return gzip.compress(b"\0" * (64 * MIB))


@hostile
def vmdk_with_a_boot_sector(path):
    return bootable(vmdk(descriptor("monolithicFlat", f'RW 2048 FLAT "{path}" 0')), 4 * MIB)


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
