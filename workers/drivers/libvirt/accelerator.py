"""Whether KVM runs guests here, found out by running one.

That /dev/kvm opens proves nothing, and neither does a BIOS that starts: where a cloud rents out
virtual machines, KVM may be a layer that emulates a guest's kernel instruction by instruction,
or not at all. So a guest of one sector enters 64-bit mode with its own page tables, does what
every kernel does early on (lock cmpxchg16b), counts a loop that takes silicon a fraction of a
second and an interpreter minutes, and reports by QEMU's debug-exit device.
"""

import json
import os
import resource
import subprocess
import tempfile
from pathlib import Path

from workers.config import HostConfig
from workers.drivers.sequence import kernel_boot_id

KVM, EMULATION = "kvm", "qemu"
PROBE_SECONDS = 10
PROVEN = 0x2A  # what the guest reports
DISK_BYTES = 1 << 20  # a BIOS boots no smaller disk

# fmt: off
BOOT_SECTOR = bytes.fromhex(
    "fa"                    # 7c00  cli
    "31c0"                  #       xor ax, ax
    "8ed8"                  #       mov ds, ax
    "8ec0"                  #       mov es, ax
    "bf0010"                #       mov di, 0x1000
    "b90028"                #       mov cx, 0x2800
    "fc"                    #       cld
    "f3ab"                  #       rep stosw            ; 0x1000 to 0x6000 are zero
    "c70600100320"          #       mov word [0x1000], 0x2003  ; PML4: one table below
    "c70600200330"          #       mov word [0x2000], 0x3003  ; PDPT: one table below
    "c606003083"            #       mov byte [0x3000], 0x83    ; the first 2 MiB as they are
    "0f0116a07c"            #       lgdt [0x7ca0]
    "66b820000000"          #       mov eax, CR4.PAE
    "0f22e0"                #       mov cr4, eax
    "66b800100000"          #       mov eax, 0x1000
    "0f22d8"                #       mov cr3, eax
    "66b9800000c0"          #       mov ecx, EFER
    "0f32"                  #       rdmsr
    "660fbae808"            #       bts eax, 8           ; long mode
    "0f30"                  #       wrmsr
    "0f20c0"                #       mov eax, cr0
    "660d01000080"          #       or eax, CR0.PE | CR0.PG
    "0f22c0"                #       mov cr0, eax
    "ea587c0800"            #       jmp 8:0x7c58
    "31c0"                  # 7c58  xor eax, eax         ; 64-bit from here
    "31d2"                  #       xor edx, edx
    "31c9"                  #       xor ecx, ecx
    "bb2a000000"            #       mov ebx, PROVEN
    "f0480fc70c2500500000"  #       lock cmpxchg16b [0x5000]   ; 0 becomes PROVEN
    "b900000004"            #       mov ecx, 1 << 26
    "ffc9"                  # 7c72  dec ecx
    "75fc"                  #       jnz 0x7c72
    "8a042500500000"        #       mov al, [0x5000]
    "e6f4"                  #       out 0xf4, al         ; QEMU exits with al * 2 + 1
    "f4"                    # 7c7f  hlt
    "ebfd"                  #       jmp 0x7c7f
).ljust(0x90, b"\0") + bytes.fromhex(
    "0000000000000000"      # 7c90  GDT: nothing
    "00000000009a2000"      # 7c98  GDT: 64-bit code
    "0f00" "907c0000"       # 7ca0  its limit and address
)
# fmt: on


def choose(config: HostConfig) -> tuple[str, str]:
    """The accelerator for guests of this host, "kvm" or "qemu", and why, as a sentence.

    What was found out is kept in the state directory until the machine is booted again or QEMU
    is another.
    """
    if config.accelerator != "auto":
        return config.accelerator, f"{config.accelerator} is set in the configuration of the host"
    if not os.path.exists("/dev/kvm"):
        return EMULATION, "this machine offers no KVM: there is no /dev/kvm"
    seen = [kernel_boot_id(), config.emulator, os.stat(config.emulator).st_mtime_ns]
    known = config.state_directory / "accelerator.json"
    try:
        finding = json.loads(known.read_text())
    except (FileNotFoundError, ValueError):
        finding = {}
    if finding.get("seen") != seen:
        failure = probe(config.emulator, "kvm", cpu="host")
        finding = {
            "seen": seen,
            "accelerator": EMULATION if failure else KVM,
            "reason": f"KVM does not run a guest here: {failure}" if failure
            else "KVM ran a 64-bit guest here",
        }  # fmt: skip
        _replace(known, json.dumps(finding))
    return finding["accelerator"], finding["reason"]


def probe(emulator: str, accelerator: str, *, cpu: str) -> str:
    """Run the guest of one sector; "" when it came to its end, else what QEMU said instead."""
    with tempfile.NamedTemporaryFile(suffix=".img") as disk:
        disk.write(BOOT_SECTOR.ljust(510, b"\0") + b"\x55\xaa")
        disk.truncate(DISK_BYTES)
        disk.flush()
        command = [
            emulator, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-machine", f"q35,accel={accelerator}", "-cpu", cpu, "-m", "16",
            "-drive", f"file={disk.name},format=raw,if=virtio,snapshot=on",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=1",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=PROBE_SECONDS,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
                text=True,
                errors="replace",
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it did not get through in {PROBE_SECONDS} seconds"
    if done.returncode == PROVEN * 2 + 1:
        return ""
    said = done.stderr.strip().splitlines() or [f"QEMU ended with status {done.returncode}"]
    return next((line for line in said if "error" in line), said[-1])


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text)
    os.replace(file.name, path)
