"""The host's end of a console: the agent passes the screen of a guest on to the portal.

A stream begins with one line, sealed with the host's key, that names the guest. It is good once
and for half a minute, so whoever else may open the socket gets nothing. From then on bytes are
copied both ways, with at most 64 KiB of them waiting in each direction.
"""

import contextlib
import errno
import grp
import logging
import os
import select
import socket
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from workers import host, specs
from workers.config import HostConfig
from workers.errors import Rejected
from workers.wire import NO_SCREEN, OK, REFUSED

LINE_BYTES = 4096
LINE_SECONDS = 5.0  # for the whole first line
CHUNK_BYTES = 65_536
AT_ONCE = 64
HEARD_SECONDS = 7200.0  # a call is remembered, should somebody set the clock back
CLOCK_SECONDS = 2.0  # a clock that moves by more was set
AGAIN_SECONDS = 1.0  # after the process ran out of files

log = logging.getLogger("workers.consoles")


class Calls:
    """Which calls are answered: sealed for this host, in time, and heard for the first time."""

    def __init__(self, config: HostConfig):
        self._cipher, self._host = Fernet(config.key), config.name
        self._heard: dict[str, float] = {}  # nonce to when it was heard, monotonic
        self._turn = threading.Lock()
        self._begin()

    def open(self, line: bytes) -> str:
        """The id of the instance that is asked for. Raises Rejected."""
        try:
            message = specs.unpack(self._cipher.decrypt(line))
            call = specs.load(specs.ConsoleCall, message)
            instance_id = str(uuid.UUID(call.instance_id))
        except (InvalidToken, ValueError):
            raise Rejected("it was not sealed for this host, or was altered") from None
        if call.host != self._host:
            raise Rejected("it was sealed for another host")
        moment = time.time()
        if abs(moment - time.monotonic() - self._apart) > CLOCK_SECONDS:
            self._begin()  # the clock was set: what ran out before might seem to be new
        if call.not_after < moment or self._cipher.extract_timestamp(line) < self._since:
            raise Rejected("it has run out")
        with self._turn:
            oldest = time.monotonic() - HEARD_SECONDS
            self._heard = {nonce: at for nonce, at in self._heard.items() if at >= oldest}
            if call.nonce in self._heard:
                raise Rejected("it was used before")
            self._heard[call.nonce] = time.monotonic()
        return instance_id

    def _begin(self) -> None:
        """What was sealed before is refused from now on: what was heard of it is forgotten, or ran
        out by another clock."""
        self._since = int(time.time()) - 1
        self._apart = time.time() - time.monotonic()


class Consoles:
    """Threads of this process answer calls at the host's console address."""

    def __init__(self, config: HostConfig):
        self._config, self._calls = config, Calls(config)
        self._listener: socket.socket | None = None
        self._place: os.stat_result | None = None

    def ensure(self) -> None:
        """The socket is there and is ours: one that was removed, or that something else took the
        place of, is made again. Raises OSError."""
        if self._listener and self._stands():
            return
        if self._listener:
            log.warning("the socket of consoles was gone, and is made again")
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for calls
        self._listener = listen(self._config)
        self._place = os.stat(_path(self._config))
        threading.Thread(
            target=_accept,
            args=(self._listener, self._config, self._calls),
            name="consoles",
            daemon=True,
        ).start()

    def _stands(self) -> bool:
        try:
            return os.path.samestat(os.stat(_path(self._config)), self._place)
        except FileNotFoundError:
            return False


def serve(config: HostConfig) -> Consoles:
    """From now on calls at the host's console address are answered."""
    consoles = Consoles(config)
    consoles.ensure()
    return consoles


def listen(config: HostConfig) -> socket.socket:
    """The socket of `config.consoles` is there, for its owner and `console_group` alone. It
    takes the place of one that a dead agent left."""
    final = _path(config)
    final.parent.mkdir(parents=True, exist_ok=True)
    new = final.with_name(f"{final.name}.new")
    new.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(new))
    new.chmod(0o600)
    if config.console_group:
        os.chown(new, -1, grp.getgrnam(config.console_group).gr_gid)
        new.chmod(0o660)
    listener.listen()
    os.replace(new, final)
    return listener


def _path(config: HostConfig) -> Path:
    scheme, _, path = config.consoles.partition("://")
    if scheme != "unix":
        raise ValueError(f"console_address: {config.consoles!r} is no unix:///path")
    return Path(path)


def answer(
    stream: socket.socket, calls: Calls, open_screen: Callable[[str], socket.socket]
) -> None:
    """The call that arrives on `stream` has been answered and its console has ended."""
    with stream, contextlib.suppress(OSError):
        try:
            instance_id = calls.open(_line(stream))
        except Rejected as error:
            log.warning("a call for a console was refused: %s", error)
            stream.sendall(REFUSED)
            return
        try:
            screen = open_screen(instance_id)
        except OSError as error:
            log.info("instance %s has no screen now: %s", instance_id, error)
            stream.sendall(NO_SCREEN)
            return
        with screen:
            stream.sendall(OK)
            copy(stream, screen)


def copy(one: socket.socket, other: socket.socket) -> None:
    """What comes from either is written to the other, until one of them ends. Of what cannot be
    written yet CHUNK_BYTES are kept, and no more is read until they are gone. Raises OSError."""
    ways = [Way(one, other), Way(other, one)]
    one.setblocking(False)
    other.setblocking(False)
    while True:
        readable, writable, _ = select.select(
            [way.source for way in ways if not way.waiting],
            [way.target for way in ways if way.waiting],
            [],
        )
        for way in ways:
            if way.waiting and way.target in writable:
                way.waiting = way.waiting[way.target.send(way.waiting) :]
            elif not way.waiting and way.source in readable:
                way.waiting = way.source.recv(CHUNK_BYTES)
                if not way.waiting:
                    return


class Way:
    """One direction of a stream, and what of it waits to be written."""

    def __init__(self, source: socket.socket, target: socket.socket):
        self.source, self.target, self.waiting = source, target, b""


def _accept(listener: socket.socket, config: HostConfig, calls: Calls) -> None:
    room = threading.BoundedSemaphore(AT_ONCE)
    while True:
        try:
            stream, _ = listener.accept()
        except OSError as error:
            if error.errno == errno.EINVAL:  # `ensure` has shut it down
                listener.close()
                return
            log.warning("no call can be taken: %s", error)
            time.sleep(AGAIN_SECONDS)
            continue
        if room.acquire(blocking=False):
            threading.Thread(
                target=_answer_one, args=(stream, config, calls, room), daemon=True
            ).start()
        else:
            stream.close()


def _answer_one(
    stream: socket.socket, config: HostConfig, calls: Calls, room: threading.BoundedSemaphore
) -> None:
    try:
        answer(stream, calls, lambda instance_id: host.open_screen(config, instance_id))
    finally:
        room.release()


def _line(stream: socket.socket) -> bytes:
    """The first line, without its end. Nothing may follow it before it was answered. Raises
    OSError when it takes too long."""
    deadline, line = time.monotonic() + LINE_SECONDS, b""
    while not line.endswith(b"\n"):
        stream.settimeout(max(0.01, deadline - time.monotonic()))
        part = stream.recv(LINE_BYTES)
        line += part
        if not part or len(line) > LINE_BYTES or b"\n" in line[:-1]:
            raise Rejected("it is no single line")
    stream.settimeout(None)
    return line[:-1]
