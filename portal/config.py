"""Every setting of the portal: one INI file and the environment, into one frozen dataclass.

A setting `name` is read from section [portico] of the file and, stronger, from the environment
variable `PORTICO_NAME`. An unknown key, or a value out of range, refuses to start and says why.
"""

import configparser
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

ENVIRONMENT_PREFIX = "PORTICO_"
NOT_SETTINGS = {"PORTICO_CONFIG", "PORTICO_ADMIN_PASSWORD"}


def setting(sentence: str, default, *, least: float | None = None):
    """A field with the sentence that explains it and, for numbers, the least value it may have."""
    return dataclasses.field(default=default, metadata={"sentence": sentence, "least": least})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How this installation is run. Every field says what it does."""

    data_directory: Path = setting(
        "Where database, secrets and images are kept.", Path("/var/lib/portico")
    )
    database_url: str = setting(
        "SQLAlchemy URL of the database; empty: portico.db in the data directory.", ""
    )
    redis_url: str = setting(
        "The wire between conductor and hosts; empty: redis.sock in the data directory.", ""
    )
    listen: str = setting("Address and port of the web server.", "127.0.0.1:8080")
    trusted_hosts: str = setting(
        "Names by which people reach the portal, parted by spaces; any other Host is refused.",
        "localhost 127.0.0.1 [::1]",
    )
    proxies: int = setting("How many reverse proxies stand before the portal.", 0, least=0)
    secure_cookies: bool = setting(
        "Whether the portal is reached by https; off only on the loopback address.", False
    )
    web_threads: int = setting("Requests that the web process serves at a time.", 32, least=4)
    client_seconds: int = setting(
        "A request's head comes in within so long; over it the pace of uploads is measured.",
        10,
        least=1,
    )

    session_idle_minutes: int = setting("Sign out after so long without a click.", 120, least=1)
    session_hours: int = setting("Sign out after so long, whatever happens.", 12, least=1)
    passwords_remembered: int = setting(
        "How many of their last passwords people may not choose again, the present one with them.",
        2,
        least=1,
    )
    login_attempts_per_minute: int = setting(
        "Wrong passwords a minute, of one account, before sign-in to it is refused.", 5, least=1
    )
    login_attempts_per_address: int = setting(
        "Wrong passwords a minute, from one address, before sign-in from there is refused.",
        5,
        least=1,
    )
    changes_per_minute: int = setting(
        "Forms that one person may send within a minute.", 120, least=1
    )
    searches_per_minute: int = setting("Searches of one person within a minute.", 120, least=1)
    requests_per_minute: int = setting(
        "Requests of one user's programs within a minute, whatever credential they show.",
        3000,
        least=1,
    )
    argon2_memory_kib: int = setting("Memory of one password hash.", 19_456, least=8)
    argon2_passes: int = setting("Passes of one password hash.", 2, least=1)
    password_hashes_at_once: int = setting(
        "Password hashes computed at the same time; more wait their turn.", 2, least=1
    )

    region: str = setting("What programs are told this cloud's region is called.", "RegionOne")
    token_hours: int = setting("Programs sign in anew after so long, 12 at most.", 12, least=1)

    vcpu_overcommit: float = setting("vCPUs promised per CPU thread of a host.", 4.0, least=0.1)
    memory_overcommit: float = setting("MiB promised per MiB of a host's memory.", 1.0, least=0.1)
    disk_overcommit: float = setting("GiB promised per GiB of a host's disk.", 2.0, least=0.1)
    reserved_memory_mib: int = setting("Memory of each host kept for itself.", 1024, least=0)
    reserved_disk_gib: int = setting("Disk of each host kept for itself.", 5, least=0)

    least_free_gib: int = setting(
        "With less than this free on its disk, GiB, a host gets nothing new, and the doctor warns "
        "of the portal's own.",
        2,
        least=0,
    )

    quota_instances: int = setting("Instances a project may have.", 20, least=0)
    quota_vcpus: int = setting("vCPUs a project may use.", 40, least=0)
    quota_memory_mib: int = setting("Memory a project may use, MiB.", 81_920, least=0)
    quota_disk_gib: int = setting("Root disks a project may use, GiB.", 500, least=0)
    quota_networks: int = setting("Networks a project may have.", 10, least=0)
    quota_security_groups: int = setting("Security groups a project may have.", 50, least=0)
    quota_security_group_rules: int = setting(
        "Rules that the security groups of a project may have in all.", 500, least=0
    )
    quota_images: int = setting("Images a project may keep.", 20, least=0)
    quota_image_gib: int = setting("Images a project may keep, GiB.", 100, least=0)
    quota_placement_groups: int = setting("Placement groups a project may have.", 10, least=0)
    quota_placement_group_members: int = setting(
        "Instances a placement group may have.", 10, least=0
    )

    image_max_gib: int = setting("The largest image that may be uploaded, GiB.", 50, least=1)
    image_max_virtual_gib: int = setting("The largest disk that an image may claim to be.", 500)
    uploads_at_once: int = setting("Uploads served at a time; more are told to wait.", 4, least=1)
    consoles_at_once: int = setting(
        "Consoles served at a time; more are told to wait.", 16, least=1
    )

    network_mtu: int = setting("MTU of new networks; 1450 leaves room for VXLAN.", 1450, least=1280)
    dns_domain: str = setting("The domain in which guests find each other.", "internal")

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.data_directory}/portico.db"

    @property
    def redis(self) -> str:
        """The Redis URL in force."""
        return self.redis_url or f"unix://{self.data_directory}/redis.sock"

    @property
    def image_store(self) -> Path:
        """Where the bytes of images are kept, each named by its SHA-256."""
        return self.data_directory / "images"

    @property
    def secret_key_file(self) -> Path:
        """The key that signs cookies and opens the keys of hosts; mode 0600."""
        return self.data_directory / "secret.key"


_in_force: Settings | None = None


def use(settings: Settings) -> Settings:
    """From now on `current()` answers these."""
    global _in_force
    _in_force = settings
    return settings


def current() -> Settings:
    """The settings in force in this process. Raises RuntimeError before `use`."""
    if _in_force is None:
        raise RuntimeError("no settings: call config.use() first")
    return _in_force


def read(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force. Raises ValueError, naming the key, for one that is unknown,
    malformed or out of range."""
    given = _from_file(path) if path else {}
    given |= {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): text
        for name, text in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX) and name not in NOT_SETTINGS
    }
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    if unknown := given.keys() - fields.keys():
        raise ValueError(f"unknown setting: {', '.join(sorted(unknown))}")
    settings = Settings(**{name: _parse(fields[name], text) for name, text in given.items()})
    held = settings.consoles_at_once + settings.uploads_at_once
    if held >= settings.web_threads:
        raise ValueError(
            f"web_threads: {settings.web_threads} leaves none for pages beside "
            f"consoles_at_once and uploads_at_once, {held} together"
        )
    return settings


def read_in_force() -> Settings:
    """The settings of the file that PORTICO_CONFIG names, if any, and of the environment."""
    path = os.environ.get("PORTICO_CONFIG")
    return read(Path(path) if path else None)


def _from_file(path: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    with open(path) as file:
        parser.read_file(file)
    if others := set(parser.sections()) - {"portico"}:
        raise ValueError(f"{path}: unknown section: {', '.join(sorted(others))}")
    return dict(parser["portico"]) if parser.has_section("portico") else {}


def _parse(field: dataclasses.Field, text: str):
    try:
        if field.type is bool:
            value = configparser.ConfigParser.BOOLEAN_STATES[text.lower()]
        else:
            value = field.type(text)
    except (KeyError, ValueError):
        raise ValueError(f"{field.name}: {text!r} is no {field.type.__name__}") from None
    least = field.metadata["least"]
    if least is not None and value < least:
        raise ValueError(f"{field.name}: {text} is less than {least}")
    return value
