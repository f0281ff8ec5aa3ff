"""Passwords: which are taken, how they are kept, and how many may be judged at a time."""

import contextlib
import secrets
import threading
import uuid
from collections.abc import Iterator

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from sqlalchemy import delete, select

from portal import config
from portal.db import session
from portal.errors import Busy, Refused
from portal.models import PasswordUsed, User

READABLE = "abcdefghjkmnpqrstuvwxyz23456789"  # no two of which look alike
SHORTEST, LONGEST = 12, 128  # characters of a password
JUDGED = 72  # of which the strength is estimated: the estimate takes quadratic time
FOR_LETTERS = "4@8({[<369&#!1|0$5+7%2"  # zxcvbn's L33T_TABLE
KINDS_JUDGED = 6  # of FOR_LETTERS
LEAST_SCORE = 2  # zxcvbn's "somewhat guessable": more than 10**6 guesses

WAITING_MOST = 8  # for a hash, each of them with a thread of the web process
WAIT_SECONDS = 5  # until somebody who was told to wait tries again

_turns: threading.BoundedSemaphore | None = None
_room = threading.BoundedSemaphore(WAITING_MOST)


def fits(password: str, kept: str) -> bool:
    """Whether this is the password that was `kept` as a hash. Raises Busy. Where nothing was kept
    it takes as long, so that nobody learns which names there are."""
    with _turn():
        try:
            return _hasher().verify(kept or _dummy(), password[:LONGEST]) and bool(kept)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False


def new() -> str:
    """A password that can be read out: 20 random characters, 99 bits."""
    return "-".join("".join(secrets.choice(READABLE) for _ in range(5)) for _ in range(4))


def check(password: str, user_name: str) -> None:
    """Raises Refused for a password that is too short, too long, or soon guessed."""
    from zxcvbn import zxcvbn  # 12 MiB of words, for the rare moment in which they are needed

    if not SHORTEST <= len(password) <= LONGEST:
        raise Refused(
            "A password has from {shortest} to {longest} characters.",
            shortest=SHORTEST,
            longest=LONGEST,
            field="new",
        )
    if zxcvbn(_judged(password), user_inputs=[user_name, "portico"])["score"] < LEAST_SCORE:
        raise Refused(
            "This password would soon be guessed. Take a few words that do not belong together.",
            field="new",
        )


def _judged(password: str) -> str:
    """What of a password is estimated, so that it takes no second: not all of a long one, and of
    what may stand for letters so many kinds, since the estimate tries all ways to read them."""
    kinds = list(dict.fromkeys(each for each in password if each in FOR_LETTERS))[KINDS_JUDGED:]
    return "".join(each for each in password[:JUDGED] if each not in kinds)


def hashed(password: str) -> str:
    """Argon2id (RFC 9106) with the settings in force. Takes a fifth of a second and 19 MiB, so
    only so many are computed at a time."""
    with _turn():
        return _hasher().hash(password)


def refuse_used(user: User, password: str) -> None:
    """Raises Refused for a password that the user has, or has had among the last so many that the
    setting says. Judged before the change, since each takes as long as a sign-in."""
    kept = config.current().passwords_remembered
    earlier = session.scalars(_used(user.id).limit(kept - 1)).all()
    if any(fits(password, each) for each in (user.password_hash, *earlier)):
        raise Refused(
            "You have had this password before. Choose one that is not among your last {kept}.",
            kept=kept,
            field="new",
        )


def keep(user: User, hashed: str) -> None:
    """The user's password is this one, and the one before is remembered for as long as the setting
    says. For use inside a change."""
    kept = config.current().passwords_remembered
    if kept > 1 and user.password_hash:
        session.add(PasswordUsed(user_id=user.id, password_hash=user.password_hash))
        session.flush()
    gone = list(session.scalars(_used(user.id, PasswordUsed.id).offset(kept - 1)))
    session.execute(delete(PasswordUsed).where(PasswordUsed.id.in_(gone)))
    user.password_hash = hashed


def forget_used(user_id: uuid.UUID) -> None:
    """Nothing is remembered of the user's earlier passwords. For use inside a change."""
    session.execute(delete(PasswordUsed).where(PasswordUsed.user_id == user_id))


def _used(user_id: uuid.UUID, what=PasswordUsed.password_hash):
    newest = (PasswordUsed.created_at.desc(), PasswordUsed.id.desc())
    return select(what).where(PasswordUsed.user_id == user_id).order_by(*newest)


def _hasher() -> PasswordHasher:
    settings = config.current()
    return PasswordHasher(
        time_cost=settings.argon2_passes, memory_cost=settings.argon2_memory_kib, parallelism=1
    )


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    """Within it one hash may be computed. Raises Busy when too many wait for that already."""
    global _turns
    if _turns is None:
        _turns = threading.BoundedSemaphore(config.current().password_hashes_at_once)
    if not _room.acquire(blocking=False):
        raise Busy("Too many passwords are being checked. Try again.", retry_after=WAIT_SECONDS)
    try:
        with _turns:
            yield
    finally:
        _room.release()


_dummy_hash = ""


def _dummy() -> str:
    global _dummy_hash
    if not _dummy_hash:
        _dummy_hash = _hasher().hash("no password at all")
    return _dummy_hash
