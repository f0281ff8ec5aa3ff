"""Filters of images by moments: created_at=gt:2026-01-01T00:00:00Z.

https://docs.openstack.org/api-ref/image/v2/#list-images
"""

import operator
from collections.abc import Callable
from datetime import UTC, datetime

from portal.api import faults

COMPARISONS = {
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
}


def comparison(value: str) -> tuple[Callable, datetime]:
    """How it is compared, and with which moment. Raises Fault, 400."""
    name, _, text = value.partition(":")
    if name not in COMPARISONS:
        name, text = "eq", value
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise faults.bad(f"{text[:80]!r} is no moment of ISO 8601.") from None
    return COMPARISONS[name], moment if moment.tzinfo else moment.replace(tzinfo=UTC)
