"""What a service may answer instead of doing it.

A refusal is data: its kind, a sentence for the person at the screen with the name of their thing
in it and what they can do, and the field of the form that it is about. Each front door words it:
pages make a form or an error page of it, the API a fault.
"""

from collections.abc import Callable, Mapping
from typing import Self

from portal.sentences import Sentence

SOON_SECONDS = 10  # when what does not answer at this moment is asked again


class Refused(Exception):
    """What was wanted was not done, and nothing was changed.

        raise Conflict("{name} is busy: {action:verb} has not finished.", name=…, action=…)

    The sentence stands where it is raised, whole, with `{name}` for each argument
    (`portal/sentences.py`). `str` of a refusal is its sentence in English.
    """

    status = 422  # of HTTP, on every front door
    retry_after: int | None = None  # seconds, where waiting helps by itself

    def __init__(
        self,
        sentence: str,
        /,
        *,
        field: str | None = None,
        retry_after: int | None = None,
        **arguments,
    ):
        self._say(Sentence(sentence, **arguments), field, retry_after)

    @classmethod
    def saying(
        cls, sentence: Sentence, /, *, field: str | None = None, retry_after: int | None = None
    ) -> Self:
        """A refusal with a sentence that was made elsewhere."""
        if not isinstance(sentence, Sentence):
            raise TypeError(f"not a Sentence: {sentence!r}")
        refused = cls.__new__(cls)
        refused._say(sentence, field, retry_after)
        return refused

    def _say(self, sentence: Sentence, field: str | None, retry_after: int | None) -> None:
        self._sentence = sentence
        self.field = field  # the form field that the sentence is about
        self.others: tuple[Refused, ...] = ()  # what is wrong besides, where it was looked for
        if retry_after is not None:
            self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self._sentence)

    @property
    def sentence(self) -> str:
        """The template, `{name}` and all."""
        return self._sentence.template

    @property
    def arguments(self) -> Mapping[str, object]:
        """The values that belong into the sentence, by name."""
        return self._sentence.arguments

    @property
    def mistakes(self) -> "list[Refused]":
        """Everything that is wrong, this first, each with its own field."""
        return [self, *self.others]


class NotFound(Refused):
    """The thing does not exist, or not for this actor."""

    status = 404


class Forbidden(Refused):
    """The actor may see the thing, and may not do this to it."""

    status = 403


class Conflict(Refused):
    """The thing cannot be so changed now: something else is under way, or it is of another kind."""

    status = 409


class InUse(Conflict):
    """Something else has it, or stands on it."""


class Ambiguous(Conflict):
    """Several things bear the name: an id says which is meant."""


class OverQuota(Refused):
    """The project has not that much left."""

    status = 403


class NoRoom(Refused):
    """No host can take what is wanted."""

    status = 409


class Unavailable(Refused):
    """Not at this moment: a part of the cloud that it needs does not answer, or is full."""

    status = 503


class DiskFull(Unavailable):
    """Nothing can be written down, so nothing was changed."""

    def __init__(self):
        super().__init__(
            "Nothing can be changed at this moment: the disk of the portal is full. Nothing is "
            "lost. Whoever runs this cloud has to make room there; then send it again."
        )


class TooMany(Refused):
    """Too often in a short time: wait `retry_after` seconds."""

    status = 429

    def __init__(self, sentence: str, /, *, retry_after: int, **arguments):
        super().__init__(sentence, retry_after=retry_after, **arguments)


class Busy(TooMany):
    """As many are being served as can be: try again in `retry_after` seconds."""

    status = 503


def all_of(*checks: Callable) -> list:
    """What each of the checks returns. Raises the first Refused of them with all others, so that
    nobody mends one mistake only to hear of the next."""
    found, refused = [], []
    for check in checks:
        try:
            found.append(check())
        except Refused as error:
            refused += error.mistakes
    if refused:
        refused[0].others = tuple(refused[1:])
        raise refused[0]
    return found
