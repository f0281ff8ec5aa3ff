"""Is this installation well? Each question has an answer and, if it is no, what mends it.

`ground` is what it stands on, `wire` what goes between its processes, `stock` what the database and
the image store hold, `hosts` what hosts say of themselves.
"""

from collections.abc import Callable, Iterable

from sqlalchemy.exc import DBAPIError

from portal.config import Settings
from portal.db import session
from portal.doctor import ground, hosts, stock, wire
from portal.doctor.finding import Finding

GROUND = (ground.directory, ground.secret, ground.database)
REST = (
    ground.space,
    ground.privacy,
    ground.door,
    ground.certificate,
    ground.shape,
    wire.redis_answers,
    wire.conductor,
    stock.people,
    stock.menu,
    stock.images,
    hosts.known,
    hosts.clocks,
    stock.operations,
    stock.record,
)


def examine(settings: Settings) -> list[Finding]:
    """Every check, in the order in which things depend on each other. Those that need what has
    already failed are left out."""
    findings = _all(GROUND, settings)
    if all(finding.ok for finding in findings):
        findings += _all(REST, settings)
    return findings


def _all(checks: Iterable[Callable], settings: Settings) -> list[Finding]:
    return [finding for check in checks for finding in _safely(check, settings)]


def _safely(check: Callable, settings: Settings) -> list[Finding]:
    try:
        return list(check(settings))
    except DBAPIError as error:
        session.rollback()
        return [Finding(False, f"The database answers: {error.orig}", "flask prepare")]


__all__ = ["Finding", "examine"]
