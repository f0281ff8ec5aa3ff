"""Every setting of a host: one INI file, made by `flask add-host`, read by worker and agent."""

import configparser
import dataclasses
import hashlib
import ipaddress
import os
import tempfile
from pathlib import Path

SOCKET_FOLDER_BYTES = 107 - len("/agent.sock.new")  # unix(7)


def setting(sentence: str, default=dataclasses.MISSING):
    """A field with the sentence that explains it."""
    return dataclasses.field(default=default, metadata={"sentence": sentence})


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostConfig:
    """What a host must know of itself."""

    name: str = setting("The host's name, as the portal knows it: [a-z0-9-], not ending in -.")
    key: str = setting("The Fernet key that seals what travels between portal and this host.")
    redis_url: str = setting("The wire to the conductor: unix:///path, or rediss://host:port.")
    state_directory: Path = setting("Locks, notes and disks of this host; survives reboots.")
    driver: str = setting("What runs the guests: libvirt, or fake.", "libvirt")
    image_store: Path | None = setting(
        "The portal's image store, a folder that this host shares with the portal.",
        None,
    )
    libvirt_uri: str = setting("The libvirt daemon of this host.", "qemu:///system")
    accelerator: str = setting("kvm, qemu (slow emulation), or auto: kvm where it works.", "auto")
    emulator: str = setting("The QEMU binary.", "/usr/bin/qemu-system-x86_64")
    runtime_directory: Path | None = setting(
        "Sockets of consoles and running services; emptied by a reboot. Empty: /run/portico, or "
        "a folder of its own for a fake host.",
        None,
    )
    console_address: str = setting(
        "Where the agent passes on screens, unix:///path; empty: agent.sock in runtime_directory.",
        "",
    )
    console_group: str = setting(
        "The group whose members may open that socket besides its owner: the portal's.", ""
    )
    guest_group: str = setting(
        "The group of QEMU's own user, in which nobody else is: it reads what guests start from.",
        "libvirt-qemu",
    )
    short_workers: int = setting("How many short jobs run at a time.", 2)
    long_workers: int = setting("How many copies and fetches of images run at a time.", 1)
    transit_range: str = setting(
        "Where the links between this host and the gateways of its networks have their addresses: "
        "a range that nothing else on this host uses, two addresses a segment.",
        "100.64.0.0/10",
    )
    outside_refused: tuple[str, ...] = setting(
        "Networks that guests do not reach, besides those that this host itself is in, as "
        "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16.",
        (),
    )
    outside_allowed: tuple[str, ...] = setting(
        "Networks beside this host, or refused above, that guests reach all the same.", ()
    )
    connections_per_port: int = setting(
        "How many connections a guest's port may have at a time, both ways; and no more than an "
        "eighth of the kernel's table.",
        8_192,
    )
    connections_per_project: int = setting(
        "How many all ports of a project may have on this host; and no more than a quarter of it.",
        32_768,
    )
    resume_free_mib: int = setting(
        "Guests that stand still for want of space go on by themselves once so much is free; with "
        "less the host's page warns.",
        512,
    )
    image_cache_gib: int = setting(
        "How large the cache of images grows before those go that no disk stands on.", 40
    )

    def __post_init__(self):
        if self.runtime_directory is None:
            object.__setattr__(self, "runtime_directory", _runtime_directory(self))

    @property
    def consoles(self) -> str:
        """The address in force for consoles."""
        return self.console_address or f"unix://{self.runtime_directory}/agent.sock"


def read(path: Path) -> HostConfig:
    """The settings in section [host] of `path`. Raises ValueError for a key that is unknown,
    missing or malformed, naming it."""
    parser = configparser.ConfigParser(interpolation=None)
    with open(path) as file:
        parser.read_file(file)
    if not parser.has_section("host"):
        raise ValueError(f"{path}: there is no section [host]")
    given = dict(parser["host"])
    fields = {field.name: field for field in dataclasses.fields(HostConfig)}
    if unknown := given.keys() - fields.keys():
        raise ValueError(f"{path}: unknown setting {', '.join(sorted(unknown))}")
    try:
        return HostConfig(**{name: _parse(fields[name].type, text) for name, text in given.items()})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def _runtime_directory(config: HostConfig) -> Path:
    """No other host's on this machine: there may be many fake ones beside a real one."""
    if config.driver != "fake":
        return Path("/run/portico")
    beside = config.state_directory / "run"
    if len(os.fsencode(beside)) <= SOCKET_FOLDER_BYTES:
        return beside
    name = hashlib.sha256(os.fsencode(config.state_directory)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"portico-{name}"


def _parse(kind, text: str):
    if kind is int:
        return int(text)
    if kind == tuple[str, ...]:
        return tuple(str(ipaddress.IPv4Network(each)) for each in text.replace(",", " ").split())
    if kind in (Path, Path | None):
        return Path(text)
    return text
