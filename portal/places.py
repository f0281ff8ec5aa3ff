"""Places for what holds a thread of the web process for long. Nobody takes all of them: one person
has at most half, and one project three quarters."""

import contextlib
import functools
import threading
import uuid
from collections import Counter
from collections.abc import Iterator

from portal import config
from portal.errors import Busy
from portal.sentences import Sentence

LEAST = 2  # a person's share, however few there are
RETRY_SECONDS = 30  # until a file may have come in


class Places:
    """So many places. `full` is said when all are taken; `each` is what one is for, in the
    plural."""

    def __init__(self, number: int, *, full: Sentence, each: str, retry_after: int):
        self._full, self._each, self._retry_after = full, each, retry_after
        self._most = {
            "all": number,
            "person": min(number, max(LEAST, number // 2)),
            "project": min(number, max(LEAST, number * 3 // 4)),
        }
        self._taken: Counter = Counter()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def one(self, user_id: uuid.UUID, project_id: uuid.UUID) -> Iterator[None]:
        """Within it a place is taken. Raises Busy when none is free for this person in this
        project, and says whose share is used up."""
        keys = ("all", None), ("project", project_id), ("person", user_id)
        with self._lock:
            for share, key in keys:
                if self._taken[share, key] >= self._most[share]:
                    raise Busy.saying(self._refusal(share), retry_after=self._retry_after)
            self._taken.update(keys)
        try:
            yield
        finally:
            with self._lock:
                self._taken.subtract(keys)
                for key in keys:
                    if not self._taken[key]:
                        del self._taken[key]

    def _refusal(self, share: str) -> Sentence:
        known = {"most": self._most[share], "each": self._each}
        match share:
            case "person":
                return Sentence(
                    "You have {most} {each}, as many as one person may at a time.", **known
                )
            case "project":
                return Sentence(
                    "This project has {most} {each}, as many as one may at a time.", **known
                )
        return self._full


def for_a_file(user_id: uuid.UUID | None, project_id: uuid.UUID | None):
    """Within it one of the places for large files is taken, whichever way they go and at whichever
    front door. Raises Busy when there is none for this person in this project."""
    return of_files(config.current().uploads_at_once).one(user_id, project_id)


@functools.cache
def of_files(number: int) -> Places:
    """So many places for large files: each holds a thread for as long as it takes."""
    return Places(
        number,
        full=Sentence("As many files are on their way as can be."),
        each="files on their way",
        retry_after=RETRY_SECONDS,
    )
