"""What a file is that is no disk which is taken: told by its own bytes, whatever it is called.

Both sides judge by it, the portal what a person sends and a host what it fetches.
"""

import dataclasses

SECTOR = 512  # bytes
HEAD_BYTES = 2**16  # enough of the beginning to tell everything
TAIL_BYTES = SECTOR
VHD_FOOTER = b"conectix"
CONVERT = "Convert it: qemu-img convert -O qcow2 OLD NEW"
CONVERT_FIXED = "Convert it: qemu-img convert -f vpc -O qcow2 OLD NEW"
UNPACK = "Unpack it first."
FIXED_VHD = "a VHD disk of fixed size: its last 512 bytes say so"

NO_DISKS = {  # how a file begins → what it is
    b"\x1f\x8b": "compressed by gzip",
    b"\xfd7zXZ\0": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"BZh": "compressed by bzip2",
    b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Bochs Virtual HD Image": "a disk of Bochs",
    b"WithoutFreeSpace": "a disk of Parallels",
    b"WithouFreSpacExt": "a disk of Parallels",
    b"#!/bin/sh\n#V2.0 Format": "a compressed loop image",
    b"<!doctype": "a web page",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
}


@dataclasses.dataclass(frozen=True)
class Foreign:
    """What a file is, in words that can be looked up, and what can be done."""

    words: str
    way_out: str


DISKS = {  # by the name that oslo.utils has for each format
    "iso": Foreign("a CD or DVD", "Send the disk that was installed from it."),
    "luks": Foreign("an encrypted disk (LUKS)", "Send it decrypted."),
    "qed": Foreign("a QED disk", CONVERT),
    "vdi": Foreign("a VDI disk of VirtualBox", CONVERT),
    "vhd": Foreign("a VHD disk", CONVERT),
    "vhdx": Foreign("a VHDX disk", CONVERT),
    "vmdk": Foreign("a VMDK disk of VMware", CONVERT),
}
MARKS = {  # where a file bears which mark → which of DISKS it is
    (0, b"QED\0"): "qed",
    (0, b"KDMV"): "vmdk",
    (0, b"# Disk DescriptorFile"): "vmdk",
    (0, b"vhdxfile"): "vhdx",
    (0, VHD_FOOTER): "vhd",
    (64, b"\x7f\x10\xda\xbe"): "vdi",
    (0, b"LUKS\xba\xbe"): "luks",
    (32_769, b"CD001"): "iso",
}


def no_disk(head: bytes) -> Foreign | None:
    """What a file is that begins so and holds no disk by itself; None of any other."""
    for beginning, words in NO_DISKS.items():
        if head.startswith(beginning):
            return Foreign(words, _way_out(words))
    if head[257:262] == b"ustar":
        return Foreign("a tar archive", "Unpack it, and send the disk inside.")
    return None


def other_disk(head: bytes) -> Foreign | None:
    """Whose disk a file is that begins so; None of any other."""
    for (place, mark), name in MARKS.items():
        if head[place : place + len(mark)] == mark:
            return DISKS[name]
    return None


def fixed_vhd(tail: bytes) -> Foreign | None:
    """That a file that ends so is a fixed VHD, which differs from a raw disk by its end alone.
    (Virtual PC before 2004 wrote a footer of one byte less.)"""
    for length in (SECTOR, SECTOR - 1):
        if tail[-length:].startswith(VHD_FOOTER) and len(tail) >= length:
            return Foreign(FIXED_VHD, CONVERT_FIXED)
    return None


def _way_out(words: str) -> str:
    if "compressed" in words or "archive" in words:
        return UNPACK
    if words == "a web page":
        return "The download of it went wrong."
    return CONVERT
