"""How ids and moments are written on the wire, and how ids are read."""

import re
import uuid
from datetime import UTC, datetime

from werkzeug.routing import BaseConverter, ValidationError

ID = re.compile("[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}(\\1[0-9a-fA-F]{4}){2}\\1[0-9a-fA-F]{12}")


class IdConverter(BaseConverter):
    """`<id:server_id>` in a path: a UUID with dashes or without. A name leads nowhere there, which
    clients expect: they ask for it by name next."""

    # A path that only fails to be converted would be one with other methods: 405.
    regex = "[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}"

    def to_python(self, value: str) -> uuid.UUID:
        """The id. Raises ValidationError for anything else."""
        found = as_id(value)
        if found is None:
            raise ValidationError
        return found

    def to_url(self, value) -> str:
        """With dashes."""
        return str(value)


def as_id(text: object) -> uuid.UUID | None:
    """The id that a text is, with dashes or without; None for anything else."""
    return uuid.UUID(text) if isinstance(text, str) and ID.fullmatch(text) else None


def short(id_: uuid.UUID | None) -> str | None:
    """Without dashes, as ids of projects, users, roles and domains are written everywhere."""
    return id_.hex if id_ else None


def exact(moment: datetime | None) -> str | None:
    """With microseconds and a Z, as Keystone writes it: 2026-01-01T00:00:00.000000Z."""
    return f"{_bare(moment, 'microseconds')}Z" if moment else None


def rough(moment: datetime | None) -> str | None:
    """In seconds and with a Z, as Nova, Neutron and Glance write it: 2026-01-01T00:00:00Z."""
    return f"{_bare(moment, 'seconds')}Z" if moment else None


def zoneless(moment: datetime | None) -> str | None:
    """With microseconds and nothing after them, as Nova's extensions and Cinder write it, and
    gophercloud reads nothing else there: 2026-01-01T00:00:00.000000."""
    return _bare(moment, "microseconds") if moment else None


def _bare(moment: datetime, precision: str) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision)


def number(id_: uuid.UUID) -> int:
    """The whole number that stands for an id where clients know none of the other kind. Always the
    same; of a few hundred things no two have one but once in ten thousand clouds."""
    return id_.int % 2**31
