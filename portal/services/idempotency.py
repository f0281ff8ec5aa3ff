"""A request that comes twice does one thing."""

import dataclasses
import hashlib
import json
import uuid
from datetime import timedelta

from sqlalchemy import bindparam, delete, exists, insert, select

from portal.db import now, session
from portal.errors import Conflict, Refused
from portal.models import Idempotency

KEPT = timedelta(hours=24)
LONGEST_KEY = 255

_ROW = {
    name: bindparam(name, type_=Idempotency.__table__.c[name].type)
    for name in (
        "id", "created_at", "updated_at", "project_id", "key", "action", "body_hash", "targets",
    )
}  # fmt: skip
IF_UNKNOWN = insert(Idempotency.__table__).from_select(
    list(_ROW),
    select(*_ROW.values()).where(
        ~exists().where(
            Idempotency.project_id == _ROW["project_id"], Idempotency.key == _ROW["key"]
        )
    ),
    include_defaults=False,
)


def check(key: str) -> None:
    """Raises Refused for a key that is none: ours have 32 characters, and nobody needs more than
    LONGEST_KEY."""
    if len(key) > LONGEST_KEY or not key.isprintable():
        raise Refused(
            "The key of this request is none: it has at most {most} characters that can be seen. "
            "Open the form anew, or send another Idempotency-Key.",
            most=LONGEST_KEY,
        )


def body_hash(request) -> str:
    """What tells one request from another: of a dataclass, or of several and of plain values."""
    plain = json.dumps(request, default=_plain, sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def earlier(project_id: uuid.UUID, key: str, action: str, body: str) -> list[uuid.UUID] | None:
    """What this key has brought about in this project within 24 hours, or None; None also without
    a key. Raises Conflict when it came with another request. Call it under the lock of the
    project."""
    if not key:
        return None
    known = session.scalar(
        select(Idempotency).where(Idempotency.project_id == project_id, Idempotency.key == key)
    )
    if known is None:
        return None
    if known.created_at < now() - KEPT:
        session.delete(known)
        session.flush()
        return None
    if (known.action, known.body_hash) != (action, body):
        raise Conflict(
            "This was sent before with other answers, and was carried out. To create something "
            "else, open the form anew; a program sends another Idempotency-Key."
        )
    return [uuid.UUID(target) for target in known.targets]


def claim(
    project_id: uuid.UUID, key: str, action: str, body: str, targets: list[uuid.UUID]
) -> list[uuid.UUID] | None:
    """None, and from now on the key answers with `targets`, which are about to be made; or what
    it has brought about already. Raises Conflict when it came with another request. Call it under
    the lock of the project."""
    row = {
        "id": uuid.uuid4(),
        "created_at": now(),
        "updated_at": now(),
        "project_id": project_id,
        "key": key,
        "action": action,
        "body_hash": body,
        "targets": [str(target) for target in targets],
    }
    if session.connection().execute(IF_UNKNOWN, row).rowcount:
        return None
    made = earlier(project_id, key, action, body)
    if made is None:
        session.connection().execute(IF_UNKNOWN, row)
    return made


def remember(
    project_id: uuid.UUID, key: str, action: str, body: str, targets: list[uuid.UUID]
) -> None:
    """From now on the same key, if there is one, answers with `targets`."""
    if key:
        session.add(
            Idempotency(
                project_id=project_id,
                key=key,
                action=action,
                body_hash=body,
                targets=[str(target) for target in targets],
            )
        )


def forget() -> None:
    """Keys that have done their service are gone. For use inside a change."""
    session.execute(delete(Idempotency).where(Idempotency.created_at < now() - KEPT))


def _plain(value):
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else str(value)
