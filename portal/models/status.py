"""What a person sees of an instance, as one table of facts, intent and the open change.

No status is stored, so none can go stale.
"""

import enum
from typing import NamedTuple

from workers import specs


class Power(enum.StrEnum):
    """How a guest is, or shall be."""

    RUNNING = "running"
    STOPPED = "stopped"
    ABSENT = "absent"


class Tone(enum.StrEnum):
    """How a status pill looks: each tone has a shape and a colour of its own."""

    OK = "ok"
    BUSY = "busy"
    OFF = "off"
    WARN = "warn"
    BAD = "bad"
    UNKNOWN = "unknown"


class Pill(enum.Enum):
    """How something is, for people: the word on the pill, and its tone."""

    @property
    def word(self) -> str:
        return self.value[0]

    @property
    def tone(self) -> Tone:
        return self.value[1]


class Status(Pill):
    """How an instance is."""

    BUILDING = ("Building", Tone.BUSY)
    RUNNING = ("Running", Tone.OK)
    PAUSED = ("Paused", Tone.WARN)
    RESUMING = ("Resuming", Tone.BUSY)
    STOPPED = ("Stopped", Tone.OFF)
    STARTING = ("Starting", Tone.BUSY)
    STOPPING = ("Stopping", Tone.BUSY)
    REBOOTING = ("Rebooting", Tone.BUSY)
    REPAIRING = ("Repairing", Tone.BUSY)
    DELETING = ("Deleting", Tone.BUSY)
    DELETE_WAITING = ("Waiting for its host", Tone.WARN)
    DELETED = ("Deleted", Tone.OFF)
    ERROR = ("Error", Tone.BAD)
    MISSING = ("Missing", Tone.WARN)


class ImageStatus(Pill):
    """How an image is."""

    WAITING = ("Waiting for its file", Tone.WARN)
    FETCHING = ("Fetching", Tone.BUSY)
    READY = ("Ready", Tone.OK)
    DEACTIVATED = ("Deactivated", Tone.OFF)
    ERROR = ("Error", Tone.BAD)
    DELETED = ("Deleted", Tone.OFF)


class ProjectStatus(Pill):
    """How a project is."""

    OPEN = ("Open", Tone.OK)
    DISABLED = ("Disabled", Tone.OFF)
    DELETING = ("Deleting", Tone.BUSY)
    DELETE_WAITING = ("Waiting for a host", Tone.WARN)
    DELETED = ("Deleted", Tone.OFF)


class Wire(NamedTuple):
    """How OpenStack says that a server is."""

    status: str
    vm_state: str
    task_state: str | None
    power_state: int  # 0 none, 1 running, 3 paused, 4 shut down


WIRE = {  # https://docs.openstack.org/api-guide/compute/server_concepts.html
    Status.BUILDING: Wire("BUILD", "building", "spawning", 0),
    Status.RUNNING: Wire("ACTIVE", "active", None, 1),
    Status.PAUSED: Wire("PAUSED", "paused", None, 3),
    Status.RESUMING: Wire("PAUSED", "paused", "unpausing", 3),
    Status.STOPPED: Wire("SHUTOFF", "stopped", None, 4),
    Status.STARTING: Wire("SHUTOFF", "stopped", "powering-on", 4),
    Status.STOPPING: Wire("ACTIVE", "active", "powering-off", 1),
    Status.REBOOTING: Wire("REBOOT", "active", "rebooting", 1),
    Status.REPAIRING: Wire("REBUILD", "active", "rebuild_spawning", 0),
    Status.DELETING: Wire("ACTIVE", "active", "deleting", 0),
    Status.DELETE_WAITING: Wire("ACTIVE", "active", "deleting", 0),
    Status.DELETED: Wire("DELETED", "deleted", None, 0),
    Status.ERROR: Wire("ERROR", "error", None, 0),
    Status.MISSING: Wire("UNKNOWN", "error", None, 0),
}


UNDER_WAY = {
    "create": Status.BUILDING,
    "start": Status.STARTING,
    "stop": Status.STOPPING,
    "force_stop": Status.STOPPING,
    "reboot": Status.REBOOTING,
    "resume": Status.RESUMING,
    "repair": Status.REPAIRING,
    "delete": Status.DELETING,
}

AT_REST = {  # (wanted, seen)
    (Power.RUNNING, Power.RUNNING): Status.RUNNING,
    (Power.RUNNING, Power.STOPPED): Status.STOPPED,
    (Power.RUNNING, Power.ABSENT): Status.MISSING,
    (Power.STOPPED, Power.RUNNING): Status.RUNNING,
    (Power.STOPPED, Power.STOPPED): Status.STOPPED,
    (Power.STOPPED, Power.ABSENT): Status.MISSING,
    (Power.ABSENT, Power.RUNNING): Status.DELETE_WAITING,
    (Power.ABSENT, Power.STOPPED): Status.DELETE_WAITING,
    (Power.ABSENT, Power.ABSENT): Status.DELETE_WAITING,
}

ON = {Status.RUNNING, Status.PAUSED, Status.RESUMING, Status.STOPPING, Status.REBOOTING}

ACTIONS = {  # what a person may ask for, and in which states
    "start": {Status.STOPPED},
    "resume": {Status.PAUSED},
    "stop": {Status.RUNNING, Status.PAUSED},
    "force_stop": ON,
    "reboot": {Status.RUNNING, Status.PAUSED},
    "retry": {Status.ERROR, Status.MISSING},
    "cancel": {Status.STARTING, Status.STOPPING, Status.REBOOTING},
    "console": ON,
    "rename": set(Status) - {Status.DELETED},
    "delete": set(Status) - {Status.DELETED},
}


class Standstill(NamedTuple):
    """Why a guest that runs stands still."""

    cause: str  # as the end of a sentence
    move: str  # whose it is, and what can be done


STANDSTILLS = {  # by the reason that its host gives
    specs.NO_SPACE: Standstill(
        "its host has no space left",
        "Nothing is lost: it goes on by itself, where it stood, as soon as whoever runs this cloud "
        "has made room.",
    ),
    specs.DISK_ERROR: Standstill(
        "its host cannot write its disk",
        "Nothing is lost: once whoever runs this cloud has mended the disk, resume it and it goes "
        "on where it stood.",
    ),
    specs.PAUSED: Standstill(
        "it was suspended on its host",
        "Whoever runs this cloud did that. Resume it, and it goes on where it stood.",
    ),
    specs.WATCHDOG: Standstill(
        "its watchdog has stopped it",
        "Its operating system did not answer for too long. Resume it, or reboot it.",
    ),
    specs.PANIC: Standstill("it crashed", "Look at its console, and reboot it."),
}


def status(
    wanted: Power, seen: Power, *, action: str | None, faulty: bool, still: bool = False
) -> Status:
    """What these facts come to, until the host has reported the guest gone for good. `action` is
    the open change, `faulty` whether the last one failed in a way that its owner has to do
    something about, `still` whether the guest that runs stands still."""
    if action:
        return UNDER_WAY[action]
    if faulty and wanted is not Power.ABSENT:
        return Status.ERROR
    if still and wanted is not Power.ABSENT:
        return Status.PAUSED
    return AT_REST[wanted, seen]
