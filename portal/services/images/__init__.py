"""Disks to start from: taken in, looked at, changed, deleted; and whose they are.

The bytes of an image never change and are stored once for all images that have the same
(`store`). They are judged before they are kept (`inspection`, `qcow2`). Hosts copy them into
caches of their own before a guest starts, so an image may be deleted while instances run from it.
What publishers offer is fetched and judged by a host (`fetches`), which shares the store.
"""

from portal.services.images.changes import (
    MOST_MEMORY_MIB,
    NewImage,
    change,
    check,
    create,
    delete,
    describe,
    drop,
    protect,
    register,
    remove_strangers,
)
from portal.services.images.fetches import fetch, published, retry, stop_fetching
from portal.services.images.looks import (
    SORTS,
    find,
    find_whole,
    knows,
    listed,
    may,
    offered,
    private_to_others,
    require,
    strangers,
    used_by,
)

__all__ = [
    "MOST_MEMORY_MIB",
    "SORTS",
    "NewImage",
    "change",
    "check",
    "create",
    "delete",
    "describe",
    "drop",
    "fetch",
    "find",
    "find_whole",
    "knows",
    "listed",
    "may",
    "offered",
    "private_to_others",
    "protect",
    "published",
    "register",
    "remove_strangers",
    "require",
    "retry",
    "stop_fetching",
    "strangers",
    "used_by",
]
