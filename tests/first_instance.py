"""`python -m tests.first_instance URL STATE`: what the README promises for the first five minutes.

Run on the machine of a fresh installation: the administrator signs in, creates an instance from
what the form offers, and waits until the guest has booted and is reached at its address. STATE is
the host's directory. It needs nothing but what Portico's own environment holds.
"""

import subprocess
import sys
import time
from pathlib import Path

from tests.chaos.person import Person

NAME = "web-1"
GREETED = "read -r word </dev/tcp/10.0.0.2/22 && [[ $word == SSH-* ]]"
RUN_SECONDS, BOOT_SECONDS = 60, 240  # an emulated guest on a busy machine


def main() -> None:
    url, state = sys.argv[1:]
    person = Person(url)
    person.sign_in()
    place = f"{person.project}/instances"
    status = person.send(person.open(f"{place}/new"), place, name=NAME)
    if status != 303:
        raise SystemExit(f"the first instance was refused with {status}")
    wait("it runs", lambda: list(person.shown().values()) == ["Running"], RUN_SECONDS)
    [instance] = person.shown()
    boot_log = Path(state) / "instances" / instance / "boot.log"
    # its name comes from the config disk
    wait("it has booted", lambda: f"{NAME}: up after" in text(boot_log), BOOT_SECONDS)
    wait("SSH answers", ssh_answers, BOOT_SECONDS)


def text(file: Path) -> str:
    return file.read_text(errors="replace") if file.exists() else ""


def ssh_answers() -> bool:
    """Whether a guest has taken the first address, by DHCP, and lets itself be logged in to from
    the network's own namespace."""
    names = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True)
    [network] = (line.split()[0] for line in names.stdout.splitlines() if line.startswith("pnet-"))
    greeting = subprocess.run(
        ["ip", "netns", "exec", network, "timeout", "2", "bash", "-c", GREETED],
        capture_output=True,
    )
    return greeting.returncode == 0


def wait(what: str, holds, seconds: float) -> None:
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise SystemExit(f"not after {seconds} s: {what}")
        time.sleep(0.2)
    print(f"{what} after {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
