"""Virtual machines: from the wish for one to its end."""

from portal.services.instances.changes import (
    cancel,
    delete,
    describe,
    force_stop,
    lock,
    reboot,
    rename,
    repair,
    resume,
    retry,
    start,
    stop,
)
from portal.services.instances.ends import (
    bury,
    ended,
    may_come_back,
    shut_itself_down,
    stopped_itself,
    went_down,
)
from portal.services.instances.looks import SORTS, STATES, counts, find, find_whole, listed
from portal.services.instances.new import MOST_AT_ONCE, NewInstance, check, create, misfit

__all__ = [
    "MOST_AT_ONCE",
    "SORTS",
    "STATES",
    "NewInstance",
    "bury",
    "cancel",
    "check",
    "counts",
    "create",
    "delete",
    "describe",
    "ended",
    "find",
    "find_whole",
    "force_stop",
    "listed",
    "lock",
    "may_come_back",
    "misfit",
    "reboot",
    "rename",
    "repair",
    "resume",
    "retry",
    "shut_itself_down",
    "start",
    "stop",
    "stopped_itself",
    "went_down",
]
