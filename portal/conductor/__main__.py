"""`python -m portal.conductor`: carry intent to the hosts and facts back, for ever."""

import logging
import os
import signal
import socket
import time

import redis
from sqlalchemy.exc import DBAPIError

from portal import config, db, garbage
from portal.conductor import clock_set, drift, housekeeping, news, outbox, tick
from portal.conductor.ear import Ear
from portal.conductor.lead import Leader
from portal.conductor.questions import Questions
from portal.conductor.wire import Wire
from portal.errors import Unavailable
from portal.services import seals

BELL_SECONDS = 1.0  # how long to wait for the bell before looking anyway
REST_SECONDS = 4.0  # the same while no change is under way
LEAST_SECONDS = 0.01  # between two ticks
EAR_SECONDS = 0.5  # between two times of listening to the hosts
MEND_SECONDS = 1.0  # between two looks for drift
SEAL_SECONDS = 5.0  # between two looks for entries of the record that are not sealed
TIDY_SECONDS = 600.0  # between two times of forgetting what nobody asks for

log = logging.getLogger("portal.conductor")


class Conductor:
    """The loop. `stop` ends it after the tick that is under way."""

    def __init__(self, connection: redis.Redis, name: str):
        self.name = name
        self.stopping = False
        self._wire = Wire(connection)
        self._ear = Ear(self._wire)
        self._questions = Questions(self._wire)
        self._leader, self._clock = Leader(name), clock_set.Watch()
        self._heard_at = self._mended_at = self._tidied_at = self._sealed_at = -TIDY_SECONDS
        self._skipped = False  # whether the last turn did not listen

    def stop(self, *_) -> None:
        self.stopping = True

    def go_by_its_clock(self) -> None:
        """Nothing in this process sees that the clock was set before what that means is done."""
        db.clock = self._clock.now

    def run(self) -> None:
        """Look, move, wait for the bell; until stopped."""
        while not self.stopping:
            began = time.monotonic()
            try:
                moved = self.turn()
                patience = 0.0 if moved else self._patience()
            except (redis.RedisError, DBAPIError, Unavailable) as error:
                log.warning("this turn failed, the next one will do its work: %s", error)
                patience = BELL_SECONDS
            db.session.remove()
            self._wait(began, patience)
        self._leader.resign()

    def turn(self) -> int:
        """Everything that is due has been done once. Returns how many moves were made."""
        self._skipped = False
        if not self._leader.leads():
            self._clock.forget()  # whoever leads sees to it
            return 0
        clock_set.follow(self._clock)
        moved = tick.tick(self._wire)
        moment = time.monotonic()
        if moment - self._heard_at < EAR_SECONDS:
            self._skipped = True
        else:
            self._heard_at = moment
            moved += self._questions.listen(self._ear.listen())
        if moment - self._mended_at >= MEND_SECONDS:
            self._mended_at = moment
            moved += drift.mend()
        if moment - self._sealed_at >= SEAL_SECONDS:
            self._sealed_at = moment
            seals.seal()
        news.tell(self._wire)
        if moment - self._tidied_at >= TIDY_SECONDS:
            self._tidied_at = moment
            housekeeping.tidy()
            outbox.forget_abandoned(self._wire)
        return moved

    def _patience(self) -> float:
        """How many seconds the next turn can wait for, unless the bell rings."""
        if self._skipped:
            return EAR_SECONDS  # somebody may have rung to be listened to
        return REST_SECONDS if tick.at_rest() else BELL_SECONDS

    def _wait(self, began: float, patience: float) -> None:
        if not patience:
            time.sleep(max(0.0, began + LEAST_SECONDS - time.monotonic()))
            return
        try:
            self._wire.wait_for_bell(patience)
        except redis.RedisError:
            time.sleep(BELL_SECONDS)


def main() -> None:
    """Run with the settings of the environment and of the file that PORTICO_CONFIG names."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        settings = config.use(config.read_in_force())
    except (ValueError, OSError) as wrong:
        raise SystemExit(f"The conductor cannot start. {wrong}. Correct that.") from None
    db.connect(settings.database)
    connection = redis.Redis.from_url(settings.redis, socket_timeout=5, socket_connect_timeout=2)
    conductor = Conductor(connection, name=f"{socket.gethostname()}-{os.getpid()}")
    conductor.go_by_its_clock()
    signal.signal(signal.SIGTERM, conductor.stop)
    signal.signal(signal.SIGINT, conductor.stop)
    garbage.spare_what_stays()
    conductor.run()


if __name__ == "__main__":
    main()
