"""What hosts say of themselves, and whether they still say it."""

import socket
import time
from collections.abc import Iterator

import redis
from cryptography.fernet import InvalidToken
from sqlalchemy import select

from portal import config, keys
from portal.config import Settings
from portal.db import session
from portal.doctor.finding import Finding
from portal.models import Host
from portal.services import conditions
from portal.services.hosts import is_typed
from workers import wire

APART_SECONDS = 15.0  # a beat is this old at the most, unless the clocks differ
SOCKET_SECONDS = 2.0


def known(_settings: Settings) -> Iterator[Finding]:
    """Each host takes instances, and nothing is in the way of those that it has."""
    rows = session.scalars(select(Host).order_by(Host.name)).all()
    yield Finding(bool(rows), f"Hosts known: {len(rows)}", "flask add-host NAME")
    how = conditions.of_hosts(rows)
    for host in rows:
        condition = how[host.id]
        yield Finding(
            not condition.sentence,
            condition.sentence.rstrip(".") or f"{host.name} takes instances",
            condition.mend or "Take it out of maintenance on its page.",
        )
        yield from _key(host)
        yield from _consoles(host)
        yield from _obstacles(host)
        if host.strangers:
            yield Finding(
                False,
                f"Things on {host.name} that belong to no instance: {len(host.strangers)}",
                "Look at them with flask strangers; flask strangers --remove removes them.",
            )


def clocks(settings: Settings) -> Iterator[Finding]:
    """Portal and hosts agree on the time: a host does no job that has run out by its clock."""
    hosts = session.scalars(select(Host).order_by(Host.name)).all()
    connection = redis.Redis.from_url(settings.redis, socket_timeout=2, socket_connect_timeout=2)
    for host in hosts:
        try:
            said = connection.hget(wire.beat(host.name), wire.BEAT_TIME)
        except redis.RedisError:
            return  # which is said already
        if said is None:
            continue
        ahead = float(said) - time.time()
        apart = ahead if ahead > 0 else min(0.0, ahead + APART_SECONDS)
        yield Finding(
            abs(apart) < APART_SECONDS,
            f"The clock of {host.name} is right"
            if abs(apart) < APART_SECONDS
            else f"The clock of {host.name} is right: it is {abs(ahead):.0f} s "
            f"{'ahead of' if ahead > 0 else 'behind'} the portal's",
            f"Set the clock of {host.name}, or of this machine, and have both follow a time server "
            "(chrony, systemd-timesyncd). Jobs that have run out by its clock are not done.",
        )


def _key(host: Host) -> Iterator[Finding]:
    """The portal's secret is still the one that the host was added with."""
    opens = True
    try:
        keys.host_cipher(host.sealed_key)
    except (InvalidToken, ValueError):
        opens = False
    yield Finding(
        opens,
        f"The secret of the portal opens the key of {host.name}",
        f"Put {config.current().secret_key_file} back from a backup: it is another than when the "
        "host was added, so the host can be told nothing.",
    )


def _consoles(host: Host) -> Iterator[Finding]:
    """Where its agent shows screens, somebody answers; as far as that is on this machine."""
    scheme, _, path = host.console_address.partition("://")
    if scheme != "unix" or not host.placeable:
        return
    why = _why_not(path)
    yield Finding(
        not why,
        f"Consoles of {host.name} can be reached" + (f" at {path}: {why}" if why else ""),
        "Its agent makes the socket anew within 30 s: start the agent if it does not run, and let "
        "the portal's user open the socket (console_group in the host's settings).",
    )


def _why_not(path: str) -> str:
    """Why nobody can be called at this socket, or nothing. Whoever is too busy is there."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(SOCKET_SECONDS)
        try:
            caller.connect(path)
        except TimeoutError:
            return ""
        except OSError as error:
            return error.strerror or str(error)
    return ""


def _obstacles(host: Host) -> Iterator[Finding]:
    for what, mend in host.obstacles:
        yield Finding(False, f"On {host.name} {what}", _advice(host.name, mend))
    if host.observed_at and not host.obstacles:
        yield Finding(True, f"No other firewall on {host.name} drops what guests send")


def _advice(host: str, mend: str) -> str:
    if not mend:
        return "Correct this row in the database; the host is sent its table anew by itself."
    if not is_typed(mend):
        return f"{mend}."
    return (
        f"Run as root on {host}: {mend} (and put the same rule where that firewall keeps its "
        "rules, or it is lost at its next start)"
    )
