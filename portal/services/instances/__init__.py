"""Virtual machines: from the wish for one to its end."""

from portal.services.instances.changes import (
    delete,
    failed,
    force_stop,
    reboot,
    rename,
    retry,
    start,
    stop,
    stopped_itself,
)
from portal.services.instances.looks import SORTS, STATES, counts, find, find_whole, listed
from portal.services.instances.new import MOST_AT_ONCE, NewInstance, create

__all__ = [
    "MOST_AT_ONCE",
    "SORTS",
    "STATES",
    "NewInstance",
    "counts",
    "create",
    "delete",
    "failed",
    "find",
    "find_whole",
    "force_stop",
    "listed",
    "reboot",
    "rename",
    "retry",
    "start",
    "stop",
    "stopped_itself",
]
