"""What a person sees of an instance, as one table of facts, intent and the open change.

No status is stored, so none can go stale.
"""

import enum


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

    FETCHING = ("Fetching", Tone.BUSY)
    READY = ("Ready", Tone.OK)
    ERROR = ("Error", Tone.BAD)
    DELETED = ("Deleted", Tone.OFF)


class ProjectStatus(Pill):
    """How a project is."""

    OPEN = ("Open", Tone.OK)
    DISABLED = ("Disabled", Tone.OFF)
    DELETING = ("Deleting", Tone.BUSY)
    DELETE_WAITING = ("Waiting for a host", Tone.WARN)
    DELETED = ("Deleted", Tone.OFF)


UNDER_WAY = {
    "create": Status.BUILDING,
    "start": Status.STARTING,
    "stop": Status.STOPPING,
    "force_stop": Status.STOPPING,
    "reboot": Status.REBOOTING,
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

ACTIONS = {  # what a person may ask for, and in which states
    "start": {Status.STOPPED},
    "stop": {Status.RUNNING},
    "force_stop": {Status.RUNNING, Status.STOPPING, Status.REBOOTING},
    "reboot": {Status.RUNNING},
    "retry": {Status.ERROR, Status.MISSING},
    "cancel": {Status.STARTING, Status.STOPPING, Status.REBOOTING},
    "console": {Status.RUNNING, Status.STOPPING, Status.REBOOTING},
    "rename": set(Status) - {Status.DELETED},
    "delete": set(Status) - {Status.DELETED},
}


def status(wanted: Power, seen: Power, *, action: str | None, faulty: bool) -> Status:
    """What these facts come to, until the host has reported the guest gone for good. `action` is
    the open change, `faulty` whether the last one failed in a way that its owner has to do
    something about."""
    if action:
        return UNDER_WAY[action]
    if faulty and wanted is not Power.ABSENT:
        return Status.ERROR
    return AT_REST[wanted, seen]
