"""What a job may answer besides "done"; anything else that is raised may work next time."""


class Permanent(Exception):
    """The job will never work: the sentence goes to the person who wanted it, so it says what to
    change."""


class Failed(Exception):
    """The job does not work this time, perhaps the next; the sentence goes to the person who
    wanted it, should it be the last time. For what is nobody's mistake: another machine that does
    not answer, say."""


class Busy(Exception):
    """The job cannot be done now, but nothing is wrong: it is sent again after `after_seconds`,
    without using up an attempt. `within_seconds` is how long that can go on at the most, where it
    is known."""

    def __init__(
        self, reason: str, *, after_seconds: float = 1.0, within_seconds: float | None = None
    ):
        super().__init__(reason)
        self.after_seconds, self.within_seconds = after_seconds, within_seconds


class Superseded(Exception):
    """A newer spec of the same thing has reached this host, so this one changes nothing more."""


class Rejected(Exception):
    """A letter that this host does not act upon: forged, altered, foreign or too late."""
