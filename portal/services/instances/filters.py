"""What programs may ask lists of instances for, and what they may be sorted by."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    cast,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlalchemy.orm import aliased

from portal.models import FixedIp, Host, Instance, Port
from portal.services.instances.patterns import MOST_PATTERNS, matches
from portal.services.instances.states import in_status
from portal.services.listing import MOST_TAGS, few

PLACE = aliased(Host)
LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
DELETED_TOO = {"deleted", "changed_since", "changed_before"}
PLAIN = (  # columns, by their names
    *("name", "created_at", "updated_at", "hostname", "user_id", "project_id", "locked", "id"),
    *("memory_mib", "vcpus", "access_ipv4", "access_ipv6", "description", "key_name"),
    *("launch_index", "observed", "desired", "reservation_id", "flavor_key"),
)
COLUMNS = {name: getattr(Instance, name) for name in PLAIN} | {
    "image_id": func.coalesce(Instance.image_id, Instance.id),  # nothing to sort by is NULL
    "launched_at": func.coalesce(Instance.launched_at, LONG_AGO),
    "deleted_at": func.coalesce(Instance.deleted_at, LONG_AGO),
    "host": func.coalesce(
        select(PLACE.name)
        .where(PLACE.id == Instance.host_id)
        .correlate(Instance)
        .scalar_subquery(),
        "",
    ),
}


def _any(
    condition: Callable, *, most: int = MOST_TAGS
) -> Callable[[Sequence], ColumnElement[bool]]:
    return lambda values: or_(false(), *map(condition, few(values, most=most)))


def _address(sign: str) -> Callable[[str], ColumnElement[bool]]:
    """Whether an instance has an address like that; `sign` tells the two kinds apart."""
    return lambda text: exists().where(
        Port.owner_id == Instance.id,
        FixedIp.port_id == Port.id,
        FixedIp.address.contains(sign),
        matches(FixedIp.address, text, literal=".:"),
    )


def _tagged(tag: str) -> ColumnElement[bool]:
    """Whether an instance has this tag. The column is a list in JSON, in which no tag holds a
    comma; what replaces nothing is not there, which is told of cases too on either database."""
    begun = literal(", ") + func.substr(cast(Instance.tags, Text), 2)
    found = or_(
        *(func.replace(begun, f", {json.dumps(tag)}{end}", "") != begun for end in (",", "]"))
    )
    return found


def _few(values: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """These lists of tags. Raises Refused for too many in all."""
    few([tag for each in values for tag in each])
    return values


def _all_tags(tags: Sequence[str]) -> ColumnElement[bool]:
    return and_(*map(_tagged, tags))


def _any_tag(tags: Sequence[str]) -> ColumnElement[bool]:
    return or_(false(), *map(_tagged, tags))


FILTERS = {
    "name": _any(lambda text: matches(Instance.name, text), most=MOST_PATTERNS),
    "status": _any(in_status),
    "address": _any(_address("."), most=MOST_PATTERNS),
    "address6": _any(_address(":"), most=MOST_PATTERNS),
    "image_id": lambda values: Instance.image_id.in_(values),
    "changed_since": lambda values: Instance.updated_at >= max(values),
    "changed_before": lambda values: Instance.updated_at <= min(values),
    "deleted": lambda values: (
        Instance.deleted_at.is_not(None) if values[-1] else Instance.deleted_at.is_(None)
    ),
    "host": lambda values: COLUMNS["host"].in_(values),
    "tags": lambda values: and_(*map(_all_tags, _few(values))),
    "any_tags": lambda values: and_(*map(_any_tag, _few(values))),
    "not_tags": lambda values: and_(*(not_(_all_tags(each)) for each in _few(values))),
    "not_any_tags": lambda values: and_(*(not_(_any_tag(each)) for each in _few(values))),
}
