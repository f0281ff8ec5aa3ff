"""What the installation stands on: its directory, its secret, its database, its door."""

import os
import ssl
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from portal import certificates, migrations
from portal.config import Settings
from portal.db import now, session
from portal.doctor.finding import Finding

GIB = 2**30
OTHERS = 0o007  # in the modes of a file: everybody
LEAST_LEFT = timedelta(days=14)  # of a certificate
BESIDES = 0o077  # and whoever is in its group


def directory(settings: Settings) -> Iterator[Finding]:
    """It is there, and the portal writes to it."""
    folder = settings.data_directory
    there = folder.is_dir() and os.access(folder, os.W_OK)
    yield Finding(there, f"The data directory {folder} can be written", f"mkdir -m 750 -p {folder}")


def secret(settings: Settings) -> Iterator[Finding]:
    """It is there."""
    path = settings.secret_key_file
    yield Finding(path.exists(), f"The secret {path} is there", "flask prepare")


def database(settings: Settings) -> Iterator[Finding]:
    """It answers, and no part of it is damaged."""
    try:
        session.rollback()
        session.execute(text("SELECT 1"))
        said = "ok"
        if session.get_bind().dialect.name == "sqlite":
            said = session.scalar(text("PRAGMA quick_check(1)"))
    except DBAPIError as error:
        session.rollback()
        damaged = "not a database" in str(error.orig) or "malformed" in str(error.orig)
        yield Finding(
            False,
            f"The database answers: {error.orig}",
            _put_back(settings)
            if damaged
            else "Start it, or correct `database_url` in the settings.",
        )
        return
    yield Finding(
        said == "ok",
        "The database answers" if said == "ok" else f"The database is whole: {said}",
        _put_back(settings),
    )


def space(settings: Settings) -> Iterator[Finding]:
    """There is room for what is written next."""
    folder = settings.data_directory
    seen = os.statvfs(folder)
    free = seen.f_bavail * seen.f_frsize / GIB
    yield Finding(
        free >= settings.least_free_gib,
        f"There are {free:.1f} GiB free in {folder}",
        f"Free at least {settings.least_free_gib} GiB there: delete images, or move the directory. "
        "Pages go on without, and nothing can be changed.",
    )
    if seen.f_files:
        yield Finding(
            seen.f_favail > 0,
            f"Files can be made in {folder}",
            "Its file system has no free inodes: remove files that nobody needs.",
        )


def privacy(settings: Settings) -> Iterator[Finding]:
    """Nobody else reads what the portal keeps."""
    path = settings.secret_key_file
    yield Finding(
        not _mode(path) & BESIDES, f"The secret {path} is its owner's alone", f"chmod 600 {path}"
    )
    folder = settings.data_directory
    yield Finding(
        not _mode(folder) & OTHERS, f"Nobody else looks into {folder}", f"chmod o-rwx {folder}"
    )


def door(settings: Settings) -> Iterator[Finding]:
    """Passwords do not cross a network in the clear."""
    address = settings.listen.rpartition(":")[0].strip("[]")
    here = address.startswith("127.") or address in ("localhost", "::1") or "/" in address
    yield Finding(
        here or settings.secure_cookies,
        f"The portal is reached by https, or only from this machine ({settings.listen})",
        "Start it by scripts/up --listen ADDRESS, which speaks https, or have it listen on "
        "127.0.0.1 behind a proxy that does, and set secure_cookies = true.",
    )


def certificate(settings: Settings) -> Iterator[Finding]:
    """It has its key, and does not end soon. Where there is none, somebody else speaks https."""
    path = certificates.shown_by(settings.data_directory)
    if not path.exists():
        return
    mend = f"Put certificate and key there again, or remove {path} and start the portal anew."
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
        found = certificates.read(settings.data_directory)
    except (OSError, ValueError) as wrong:
        yield Finding(False, f"The certificate {path} can be shown: {wrong}", mend)
        return
    yield Finding(
        not _mode(path) & BESIDES, f"The key in {path} is its owner's alone", f"chmod 600 {path}"
    )
    yield Finding(
        found.ends_at - now() > LEAST_LEFT,
        f"The certificate {path} is good until {found.ends_at:%Y-%m-%d}",
        "It is renewed by itself while the portal runs: see its web.log."
        if found.own
        else "Start scripts/up with a newer one: --certificate FILE --key FILE.",
    )


def shape(settings: Settings) -> Iterator[Finding]:
    """Its tables are those that this release knows."""
    present, newest = migrations.present(session.get_bind()), migrations.newest(settings.database)
    known = present is None or migrations.known(settings.database, present)
    yield Finding(
        present == newest,
        f"The database has the newest shape ({newest})"
        if known
        else f"The database has the shape of this release: it has {present}, of a newer one",
        "flask prepare" if known else "Start the release again that the database was last used by.",
    )


def _put_back(settings: Settings) -> str:
    where = settings.database.removeprefix("sqlite:///")
    return f"Stop the portal, put {where} back from a backup, and start it again."


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
