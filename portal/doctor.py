"""Is this installation well? Each question has an answer and, if it is no, what mends it."""

import dataclasses
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from datetime import timedelta

import redis
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from portal import migrations
from portal.config import Settings
from portal.db import now, session
from portal.models import Flavor, Host, Image, Lease, Operation, Role, RoleAssignment, User
from portal.services import conditions, seals
from workers import wire

FREE_LEAST_GIB = 2
LATE = timedelta(minutes=1)  # beyond its deadline, an operation that is open was left behind


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check came to."""

    ok: bool
    what: str
    mend: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Every check, in the order in which things depend on each other. Those that need what has
    already failed are left out."""
    findings = [
        finding for check in (_directory, _secret, _database) for finding in check(settings)
    ]
    if all(finding.ok for finding in findings):
        findings += [
            finding
            for check in (_shape, _redis, _conductor, _people, _menu, _hosts, _operations, _record)
            for finding in _safely(check, settings)
        ]
    return findings


def _safely(check: Callable, settings: Settings) -> list[Finding]:
    try:
        return list(check(settings))
    except DBAPIError as error:
        return [Finding(False, f"The database answers: {error.orig}", "flask prepare")]


def _directory(settings: Settings) -> Iterator[Finding]:
    directory = settings.data_directory
    there = directory.is_dir() and os.access(directory, os.W_OK)
    yield Finding(
        there, f"The data directory {directory} can be written", f"mkdir -m 750 -p {directory}"
    )
    if there:
        free = shutil.disk_usage(directory).free // 2**30
        yield Finding(
            free >= FREE_LEAST_GIB,
            f"There are {free} GiB free in {directory}",
            f"Free at least {FREE_LEAST_GIB} GiB: delete images, or move the directory.",
        )


def _secret(settings: Settings) -> Iterator[Finding]:
    path = settings.secret_key_file
    if not path.exists():
        yield Finding(False, f"The secret {path} is there", "flask prepare")
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    yield Finding(mode & 0o077 == 0, f"The secret {path} is its owner's alone", f"chmod 600 {path}")


def _database(settings: Settings) -> Iterator[Finding]:
    try:
        session.execute(text("SELECT 1"))
    except DBAPIError as error:
        yield Finding(
            False,
            f"The database answers: {error.orig}",
            "Start it, or correct `database_url` in the settings.",
        )
        return
    yield Finding(True, "The database answers")


def _shape(settings: Settings) -> Iterator[Finding]:
    present, newest = migrations.present(session.get_bind()), migrations.newest(settings.database)
    yield Finding(
        present == newest, f"The database has the newest shape ({newest})", "flask prepare"
    )


def _redis(settings: Settings) -> Iterator[Finding]:
    connection = redis.Redis.from_url(settings.redis, socket_timeout=2, socket_connect_timeout=2)
    try:
        connection.ping()
    except redis.RedisError as error:
        yield Finding(
            False,
            f"Redis answers: {error}",
            "Start it (scripts/up does), or correct `redis_url` in the settings.",
        )
        return
    yield Finding(True, "Redis answers")
    try:
        with connection.pipeline(transaction=False) as pipeline:
            wire.try_to_write(pipeline)
            pipeline.execute()
    except redis.RedisError as error:
        yield Finding(
            False,
            f"Redis takes what is written: {error}",
            "Give it memory (its maxmemory), or whatever else it says that it misses. Changes wait "
            "meanwhile, and nobody can sign in.",
        )
        return
    yield Finding(True, "Redis takes what is written")


def _conductor(_settings: Settings) -> Iterator[Finding]:
    until = session.scalar(select(func.max(Lease.until)))
    yield Finding(
        until is not None and until > now(),
        "A conductor leads",
        "Start one: python -m portal.conductor (scripts/up does).",
    )


def _people(_settings: Settings) -> Iterator[Finding]:
    admins = session.scalar(
        select(func.count())
        .select_from(RoleAssignment)
        .join(User)
        .where(RoleAssignment.project_id.is_(None), RoleAssignment.role == Role.ADMIN, User.enabled)
    )
    yield Finding(
        admins > 0, f"Administrators who can sign in: {admins}", "flask create-admin NAME"
    )


def _menu(settings: Settings) -> Iterator[Finding]:
    flavors = session.scalar(select(func.count()).select_from(Flavor).where(Flavor.enabled))
    yield Finding(flavors > 0, f"Flavors on offer: {flavors}", "Make one under Flavors.")
    images = session.scalars(select(Image).where(Image.deleted_at.is_(None), Image.ready)).all()
    yield Finding(
        bool(images),
        f"Images: {len(images)}",
        "Fetch or upload one under Images, or use flask add-image FILE.",
    )
    for image in images:
        path = settings.image_store / image.sha256
        size = path.stat().st_size if path.exists() else None
        if size != image.size_bytes:
            yield Finding(
                False,
                f"The file of the image {image.name} is whole",
                f"Put back {path} from a backup, or delete the image.",
            )


def _hosts(_settings: Settings) -> Iterator[Finding]:
    hosts = session.scalars(select(Host).order_by(Host.name)).all()
    yield Finding(bool(hosts), f"Hosts known: {len(hosts)}", "flask add-host NAME")
    how = conditions.of_hosts(hosts)
    for host in hosts:
        condition = how[host.id]
        yield Finding(
            not condition.sentence,
            condition.sentence.rstrip(".") or f"{host.name} takes instances",
            condition.mend or "Take it out of maintenance on its page.",
        )
        yield from _obstacles(host)
        if host.strangers:
            yield Finding(
                False,
                f"Things on {host.name} that belong to no instance: {len(host.strangers)}",
                "Look at them with flask strangers; flask strangers --remove removes them.",
            )


def _obstacles(host: Host) -> Iterator[Finding]:
    for what, mend in host.obstacles:
        yield Finding(
            False,
            f"On {host.name} {what}",
            _advice(host.name, mend),
        )
    if host.observed_at and not host.obstacles:
        yield Finding(True, f"No other firewall on {host.name} drops what guests send")


def _advice(host: str, mend: str) -> str:
    if not mend:
        return "Correct this row in the database; the host is sent its table anew by itself."
    if not mend.startswith("nft "):
        return f"{mend}."
    return (
        f"Run as root on {host}: {mend} (and put the same rule where that firewall keeps its "
        "rules, or it is lost at its next start)"
    )


def _record(_settings: Settings) -> Iterator[Finding]:
    count, newest, fault = seals.verify()
    yield Finding(
        not fault,
        f"The record is whole: {count} entries are sealed, the newest with {newest}"
        if not fault
        else f"The record is whole: {fault}",
        "The conductor seals them: start it, and look at its log."
        if fault == "entries are not sealed"
        else "Compare the record with that of a backup: somebody changed it in the database.",
    )


def _operations(_settings: Settings) -> Iterator[Finding]:
    late = session.scalar(
        select(func.count())
        .select_from(Operation)
        .where(Operation.finished_at.is_(None), Operation.deadline < now() - LATE)
    )
    yield Finding(
        late == 0,
        f"Changes open beyond their deadline: {late}",
        "The conductor ends them: start it, and look at its log.",
    )
