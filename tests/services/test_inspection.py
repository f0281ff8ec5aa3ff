"""Which files are taken for disks: every one that qemu-img makes, and none that does harm."""

import io
import subprocess

import pytest

from portal.errors import Refused
from portal.services.images.inspection import Disk, Judge
from tests.services.hostile_images import HOSTILE
from tests.services.hostile_strangers import STRANGE
from tests.services.image_files import GIB, MIB, bootable, qcow2
from workers.foreign import HEAD_BYTES as TOLD_BYTES
from workers.foreign import SECTOR

CANARY = "canary-7d1f0c"
FILES = HOSTILE | STRANGE
HEAD_BYTES = TOLD_BYTES + SECTOR


def judge(file: bytes, piece: int = 65_536, most: int = 500 * GIB) -> Disk:
    """`piece` is how much comes at a time, beyond the head at least a sector."""
    head = range(0, min(len(file), HEAD_BYTES), piece)
    tail = range(head.stop, len(file), max(piece, SECTOR - 1))
    chunks = [file[at : min(at + each.step, each.stop)] for each in (head, tail) for at in each]
    judge = Judge(chunks, most_virtual_bytes=most)
    assert b"".join(judge) == file
    return judge.verdict(io.BytesIO(file))


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_with_a_sentence_that_leaks_nothing(name, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(CANARY * 100_000)
    with pytest.raises(Refused) as refusal:
        judge(FILES[name](str(secret)))
    assert str(refusal.value)[0].isupper()
    assert str(refusal.value).endswith((".", "NEW", "FILE"))
    assert CANARY not in str(refusal.value)
    assert str(secret) not in str(refusal.value)
    assert refusal.value.field == "file"


@pytest.mark.parametrize("piece", [1, 7, 511, 2**20])
def test_the_judgement_does_not_depend_on_the_pieces_it_comes_in(piece):
    assert judge(qcow2()[:400_000], piece) == Disk("qcow2", MIB)
    for name in ("backing_file", "data_file_behind_another_extension", "sector"):
        with pytest.raises(Refused):
            judge(FILES[name]("/etc/hostname"), piece)


SHAPES = [
    (),
    ("compat=0.10",),
    ("cluster_size=512",),
    ("cluster_size=2M",),
    ("lazy_refcounts=on",),
    ("compression_type=zstd",),
    ("refcount_bits=64",),
]
ALLOCATED = [("preallocation=metadata",), ("preallocation=full",)]


@pytest.mark.parametrize(
    ("options", "packed"),
    [(shape, packed) for shape in SHAPES for packed in ((), ("-c",))]
    + [(shape, ()) for shape in ALLOCATED],
)
def test_whatever_qemu_img_makes_is_taken(options, packed, tmp_path):
    raw, made = tmp_path / "raw", tmp_path / "made"
    raw.write_bytes(bootable(bytes(range(256)) * 20_000, 12 * MIB))
    command = ["qemu-img", "convert", "-q", *packed, "-f", "raw", "-O", "qcow2"]
    chosen = [part for option in options for part in ("-o", option)]
    subprocess.run([*command, *chosen, str(raw), str(made)], check=True)
    assert judge(made.read_bytes()) == Disk("qcow2", 12 * MIB)
    subprocess.run(["qemu-img", "resize", "-q", str(made), "1G"], check=True)
    assert judge(made.read_bytes()) == Disk("qcow2", GIB)


def test_a_raw_disk_is_taken_with_and_without_partitions():
    plain = bootable(b"")
    assert judge(plain) == Disk("raw", MIB)
    parted = bytearray(plain)
    parted[446:462] = b"\x80\x20\x21\0\x83\xff\xff\xff\0\x08\0\0\0\x10\0\0"
    assert judge(bytes(parted)) == Disk("raw", MIB)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (bootable(b"", 512), "This file has 512 bytes: too few"),
        (qcow2(1 << 60, l1_entries=1), "1,073,741,824 GiB large when unpacked; 500 GiB"),
        (FILES["backing_file"]("/x"), "only the changes to a backing file"),
        (FILES["vmdk_flat"]("/x"), "a VMDK disk of VMware; qcow2 and raw disks are taken"),
        (FILES["gzip_bomb"]("/x"), "compressed by gzip, not a disk. Unpack it first."),
        (FILES["ova_with_an_entity"]("/x"), "a tar archive"),
        (b"<!doctype html><title>404</title>", "a web page, not a disk. The download"),
    ],
)
def test_a_refusal_says_what_the_file_is_and_what_to_do(file, sentence):
    with pytest.raises(Refused, match=sentence):
        judge(file)


@pytest.mark.parametrize("name", ["disk.vhd", "disk.raw", "disk.qcow2"])
def test_a_raw_disk_with_a_tail_is_known_by_it_whatever_it_is_called(name, tmp_path):
    raw, made = tmp_path / "raw", tmp_path / name
    raw.write_bytes(bootable(b"", 8 * MIB))
    command = ["qemu-img", "convert", "-q", "-f", "raw", "-O", "vpc"]
    options = ["-o", "subformat=fixed,force_size=on"]
    subprocess.run([*command, *options, str(raw), str(made)], check=True)
    assert made.stat().st_size == 8 * MIB + SECTOR
    with pytest.raises(Refused, match=r"VHD disk of fixed size.*qemu-img convert -f vpc"):
        judge(made.read_bytes())
    assert judge(made.read_bytes()[:-SECTOR]) == Disk("raw", 8 * MIB)


def test_a_feature_that_is_not_taken_is_called_by_its_name(tmp_path):
    made = tmp_path / "made"
    options = ["-o", "extended_l2=on,cluster_size=128k"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, made, "8M"], check=True)
    with pytest.raises(Refused, match=r"extended L2 entries \(subclusters\). Make a clean copy"):
        judge(made.read_bytes())


def test_a_disk_larger_than_the_setting_is_refused_in_either_format():
    for file in (qcow2(2 * MIB), bootable(b"", 2 * MIB)):
        with pytest.raises(Refused, match="GiB"):
            judge(file, most=MIB)
