"""When a guest's power button was pressed, or a device pulled out of it: what must be remembered
between jobs of what a guest may heed late.

A stop never waits inside a job. Each look finds here how long the button has been held down, so
that a killed worker's successor pulls the plug no later and no sooner.
"""

import json
import os
import time
from pathlib import Path

PRESS_AGAIN_SECONDS = 10  # a guest that is still booting does not see the button


class Button:
    """A note in the runtime directory, which a reboot of the host empties. Each generation of a
    guest that wants it down has a press of its own."""

    def __init__(self, note: Path, generation: int):
        self._note, self._generation = note, generation

    @property
    def held_seconds(self) -> float:
        """Since the first press for this generation; 0.0 when there was none."""
        return max(0.0, _now() - self._read()["first"])

    @property
    def due(self) -> bool:
        """Whether it is time to press, for the first time or again."""
        return _now() - self._read()["last"] >= PRESS_AGAIN_SECONDS

    def press(self) -> None:
        """Note it; called before it is done, so that the plug is pulled in any case."""
        seen = self._read()
        now = _now()
        first = now if seen["last"] == float("-inf") else seen["first"]
        self._note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._note.with_suffix(".new")
        unfinished.write_text(json.dumps([self._generation, first, now]))
        os.replace(unfinished, self._note)

    def forget(self) -> None:
        self._note.unlink(missing_ok=True)

    def _read(self) -> dict[str, float]:
        try:
            generation, first, last = json.loads(self._note.read_text())
        except (FileNotFoundError, ValueError):
            generation = first = last = None
        if generation != self._generation or last > _now():
            return {"first": _now(), "last": float("-inf")}
        return {"first": first, "last": last}


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
