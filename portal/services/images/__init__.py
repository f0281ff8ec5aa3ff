"""Disks to start from: taken in, looked at, changed, deleted; and whose they are.

The bytes of an image never change and are stored once for all images that have the same
(`store`). They are judged before they are kept (`inspection`, `qcow2`). Hosts copy them into
caches of their own before a guest starts, so an image may be deleted while instances run from it.
What publishers offer is fetched and judged by a host (`fetches`), which shares the store. Programs
announce images and send their bytes later (`arrivals`). What is said of one is changed (`edits`),
and other projects get a part in it (`members`).
"""

from portal.services.images.arrivals import announce, awaiting, fill
from portal.services.images.changes import (
    check,
    create,
    delete,
    drop,
    register,
    remove_strangers,
)
from portal.services.images.edits import activate, change, describe, edit, protect, tag, untag
from portal.services.images.fetches import fetch, published, retry, stop_fetching
from portal.services.images.looks import (
    SORTS,
    bytes_of,
    find,
    find_whole,
    knows,
    listed,
    may,
    offered,
    pending,
    private_to_others,
    require,
    strangers,
    unusable,
    used_by,
)
from portal.services.images.members import accept, member, members, share, unshare
from portal.services.images.wishes import FORMATS, MOST_MEMORY_MIB, Edit, NewImage

__all__ = [
    "FORMATS",
    "MOST_MEMORY_MIB",
    "SORTS",
    "Edit",
    "NewImage",
    "accept",
    "activate",
    "announce",
    "awaiting",
    "bytes_of",
    "change",
    "check",
    "create",
    "delete",
    "describe",
    "drop",
    "edit",
    "fetch",
    "fill",
    "find",
    "find_whole",
    "knows",
    "listed",
    "may",
    "member",
    "members",
    "offered",
    "pending",
    "private_to_others",
    "protect",
    "published",
    "register",
    "remove_strangers",
    "require",
    "retry",
    "share",
    "stop_fetching",
    "strangers",
    "tag",
    "unshare",
    "untag",
    "unusable",
    "used_by",
]
