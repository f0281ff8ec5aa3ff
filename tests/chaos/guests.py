"""Guests that cost nothing: disks of one sector of code, which obey the power button or do not.

A guest that needs no operating system boots in a second under emulation, and then sleeps.
"""

from pathlib import Path

from tests.stack import Stack

DEAF_IMAGE, OBEDIENT_IMAGE = "Deaf", "Obedient"
DISK_BYTES = 1 << 20  # a BIOS boots no smaller disk

# The power button is bit 8 of PM1_STS and PM1_EN; writing SLP_EN with type 0 to PM1_CNT switches
# a q35 off. SeaBIOS puts these registers at 0x600 (ACPI specification, 4.8.3; ICH9, 13.8.3).
# fmt: off
OBEDIENT = bytes.fromhex(
    "ba0206"    # 7c00  mov dx, PM1_EN
    "b80001"    #       mov ax, 1 << 8
    "ef"        #       out dx, ax
    "fb"        # 7c07  sti
    "f4"        #       hlt               ; until the next tick of the clock, 18 a second
    "ba0006"    #       mov dx, PM1_STS
    "ed"        #       in ax, dx
    "f6c401"    #       test ah, 1
    "74f5"      #       jz 7c07
    "ba0406"    #       mov dx, PM1_CNT
    "b80020"    #       mov ax, SLP_EN
    "ef"        #       out dx, ax
    "ebec"      #       jmp 7c07
)
DEAF = bytes.fromhex(
    "fa"        # 7c00  cli
    "f4"        # 7c01  hlt
    "ebfd"      #       jmp 7c01
)
# fmt: on


def write_disk(path: Path, code: bytes) -> Path:
    """`path` is a raw disk whose first sector is `code`, bootable by a BIOS."""
    path.write_bytes((code.ljust(510, b"\0") + b"\x55\xaa").ljust(DISK_BYTES, b"\0"))
    return path


def add_images(stack: Stack) -> None:
    """Both kinds are in the catalogue."""
    for name, code in ((OBEDIENT_IMAGE, OBEDIENT), (DEAF_IMAGE, DEAF)):
        stack.add_image(write_disk(stack.directory / f"{name}.raw", code), name)
