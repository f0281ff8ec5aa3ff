"""The chain behind the record: each entry is sealed with a hash over itself and the seal before.

The entries are written by whoever changes something, and sealed a moment later, by the conductor
alone and in one order. So nobody waits for the end of the chain, and an entry that is altered,
taken away or put in between afterwards is found by `verify`. What the chain cannot know is whether
its end was cut off: `flask doctor` prints the newest seal, to be kept elsewhere.
"""

import hashlib
import json
import uuid
from datetime import datetime, timedelta

from sqlalchemy import Row, exists, select

from portal.db import now, session, transaction, write
from portal.models import Activity, Seal

FIRST = "0" * 64  # what stands before the first seal
FIELDS = (  # of an entry, as the hash covers them: one that is added goes into no old seal, as
    # `field` did not, by which an activity leaves out what the audit shows
    "id",
    "created_at",
    "action",
    "project_id",
    "user_id",
    "user_name",
    "target_type",
    "target_id",
    "target_name",
    "before",
    "after",
    "refused",
    "address",
    "request_id",
    "operation_id",
)
MOST_AT_A_TIME = 500
LATE = timedelta(minutes=2)  # the longest from the time of an entry to its commit
SEALED_WITHIN = timedelta(minutes=15)

_COLUMNS = [getattr(Activity, field) for field in FIELDS]
_SEALED = exists().where(Seal.activity_id == Activity.id)
_END = select(Seal.position, Seal.hash).order_by(Seal.position.desc()).limit(1)


def seal(*, everything: bool = False) -> int:
    """Entries that were not sealed are, oldest first, some at a time: the youngest, or, with
    `everything`, also those that were left behind. Returns how many."""
    unsealed = select(*_COLUMNS).where(~_SEALED).order_by(Activity.created_at, Activity.id)
    if not everything:
        unsealed = unsealed.where(Activity.created_at >= now() - LATE)
    entries = session.execute(unsealed.limit(MOST_AT_A_TIME)).all()
    if not entries:
        return 0
    with transaction():
        position, before = session.execute(_END).one_or_none() or (0, FIRST)
        seals = []
        for number, entry in enumerate(entries, position + 1):
            before = _hash(before, entry)
            seals.append({"position": number, "activity_id": entry.id, "hash": before})
        write(Seal, seals)
    return len(seals)


def verify() -> tuple[int, str, str]:
    """How many seals there are, the newest, and the first fault of the record, as a sentence; ""
    without one."""
    count, before = 0, FIRST
    joined = (
        select(Seal.position, Seal.hash, *_COLUMNS)
        .outerjoin(Activity, Activity.id == Seal.activity_id)
        .order_by(Seal.position)
        .execution_options(yield_per=1000)
    )
    for entry in session.execute(joined):
        count += 1
        if entry.position != count:
            return count, before, f"before entry {entry.position} one was taken away"
        if entry.id is None:
            return count, before, f"entry {count} was taken away"
        if _hash(before, entry) != entry.hash:
            what = f"{entry.user_name}, {entry.action}, {entry.created_at:%Y-%m-%d %H:%M:%S}"
            return count, before, f"entry {count} ({what}) or its seal was altered"
        before = entry.hash
    left = select(Activity.id).where(~_SEALED, Activity.created_at < now() - SEALED_WITHIN)
    if session.scalar(left.limit(1)):
        return count, before, "entries are not sealed"
    return count, before, ""


def _hash(before: str, entry: Row) -> str:
    """SHA-256, hexadecimal, over the seal before and the entry."""
    text = json.dumps([_plain(getattr(entry, field)) for field in FIELDS], sort_keys=True)
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()


def _plain(value):
    match value:
        case uuid.UUID():
            return str(value)
        case datetime():
            return value.isoformat(timespec="microseconds")
    return value
