"""Requests that wait for news, none of which holds a thread or asks a database meanwhile.

A view that finds nothing says through its `Spot` how long to wait, and for news of what. The loop
keeps the connection and the bytes of the request, and gives it to a thread once more when there is
news, or when it has waited long enough; then the view answers whatever it finds. What there is
news of is said on a channel of Redis, which one thread of this process listens to while anybody
waits. While Redis is out of reach nobody hears anything, and waits to the end.
"""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable

import redis

from portal.doors import SPOT
from workers import wire

PATH = b"/portico/v1/events"
MOST_PER_ACCOUNT = 8  # that wait; one more has the oldest answered
LARGEST = 16_384  # bytes of a request that may wait, since they are kept meanwhile
SILENCE_SECONDS = 5.0  # between two looks at the channel
AGAIN_SECONDS = 1.0  # until Redis is tried again

log = logging.getLogger(__name__)


class Parked(BaseException):
    """The request is answered later: no error, so that nothing on its way takes it for one."""


@dataclasses.dataclass
class Spot:
    """Where one request may wait. `heard` is how much news there was when it was asked."""

    request: bytes
    heard: int = 0
    last: bool = False  # it has waited, and is to be answered now
    seconds: float = 0.0  # how long it wants to wait
    until: float = 0.0  # the end of that, by the seconds that only run
    news_of: str = ""
    account: str = ""
    ahead: bytearray = dataclasses.field(default_factory=bytearray)  # the client sent behind it
    kept: dict = dataclasses.field(default_factory=dict)  # by who asks, from one time to the next

    def wait(self, seconds: float, *, news_of: str, account: str) -> None:
        """It shall be asked again when there is news of this, or after so many seconds from when
        it was asked first; what is answered now is thrown away."""
        self.seconds, self.news_of, self.account = seconds, news_of, account
        self.until = self.until or time.monotonic() + seconds


class News:
    """What there was news of, as this process has heard it. Its thread begins with the first who
    waits, and `told` is called by it with what there is news of; None for whatever it may be."""

    def __init__(self, url: str, told: Callable[[set[str] | None], None]):
        self._url, self._told = url, told
        self._lock = threading.Lock()
        self._of: dict[str, int] = {}
        self._of_all = self.number = 0
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """It listens from now on. What was said before is news of whatever it may be."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._listen, daemon=True)
            self._thread.start()

    def since(self, heard: int, what: str) -> bool:
        """Whether there was news of this after so much had been heard."""
        with self._lock:
            return max(self._of.get(what, 0), self._of_all) > heard

    def _listen(self) -> None:
        while True:
            try:
                self._follow()
            except redis.RedisError as error:
                log.info("no news is heard, who waits for some looks at the end: %s", error)
                time.sleep(AGAIN_SECONDS)

    def _follow(self) -> None:
        connection = redis.Redis.from_url(
            self._url, socket_connect_timeout=1, health_check_interval=15
        )
        with connection, connection.pubsub() as channel:
            channel.subscribe(wire.NEWS)
            while True:
                message = channel.get_message(timeout=SILENCE_SECONDS)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    self._note(None)
                elif message["type"] == "message":
                    self._note(set(message["data"].decode("ascii", "replace").split()))

    def _note(self, those: set[str] | None) -> None:
        with self._lock:
            self.number += 1
            if those is None:
                self._of_all = self.number
            else:
                self._of |= dict.fromkeys(those, self.number)
        self._told(those)


def with_spots(application):
    """The application, whose requests may wait where the loop has made a spot for them."""

    def call(environ, start_response):
        spot = getattr(environ.get("gunicorn.socket"), "spot", None)
        if spot is None:
            return application(environ, start_response)
        environ[SPOT], spot.seconds = spot, 0.0
        answer = application(environ, start_response)
        if not spot.seconds or spot.last:
            return answer
        answer.close()
        raise Parked

    return call
