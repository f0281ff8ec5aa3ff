"""Passing bytes between a browser's WebSocket (RFC 6455) and the stream of a screen.

A console holds a thread of the web process for as long as it is open, so it is told soon when it
may no longer be: it looks every two seconds, notices a browser that went silent, and ends with
the server.
"""

import contextlib
import functools
import select
import signal
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Mapping

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it is fast enough without numpy: browsers send little
    from websockify.websocket import WebSocket

PROTOCOL = "binary"
CHUNK_BYTES = 65_536  # read at a time, and only once those before are written
MESSAGE_BYTES = 2**20  # the longest message of a browser
LOOK_SECONDS = 2.0
PING_SECONDS = 20.0
SILENCE_SECONDS = 60.0  # without so much as a pong, a browser is gone
GOODBYE_SECONDS = 1.0
REASON_BYTES = 123  # of a close, RFC 6455, section 5.5
WAIT_MILLISECONDS = 1000
CONTROL_BYTES = 125  # of a ping, a pong or a close, section 5.5
TEXT, CLOSE, KNOWN = 1, 8, {0, 1, 2, 8, 9, 10}  # opcodes, section 5.2
RESERVED = 0x70  # bits of the first byte that no extension of ours uses
CLOSE_CODES = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}  # section 7.4
MALFORMED, UNSUPPORTED, NOT_UTF8 = 1002, 1003, 1007
OVER, SERVER_ENDS = 4000, 1001  # close codes: ours, and RFC 6455, section 7.4.1
READABLE, WRITABLE = ~select.POLLOUT, ~select.POLLIN  # or in error, which reading and writing tell

server_ends = threading.Event()


class Violation(Exception):
    """What came is no frame that may come: the code to close with, and why."""

    def __init__(self, code: int, reason: str):
        super().__init__(reason)
        self.code = code


class Browser(WebSocket):
    """The browser's end. Reading from it raises Violation where the protocol is not kept, before
    the library has closed half of the connection because of it."""

    def __init__(self, stream: socket.socket, headers: Mapping[str, str]):
        """The WebSocket is open: `headers` are those of the request that came on `stream`."""
        super().__init__()
        accepted = {
            "upgrade": headers.get("Upgrade", ""),
            "Sec-WebSocket-Version": headers.get("Sec-WebSocket-Version"),
            "Sec-WebSocket-Key": headers.get("Sec-WebSocket-Key"),
            "Sec-WebSocket-Protocol": PROTOCOL,
        }
        self.accept(stream, accepted)
        self.setblocking(False)

    def select_subprotocol(self, protocols: list[str]) -> str:
        return PROTOCOL

    def handle_ping(self, data: bytes) -> None:
        """Browsers send none, and an answer would get between the parts of a message."""

    def dismiss(self, code: int, reason: str) -> None:
        """The browser was told why this is the end. What it had still sent is read, or the kernel
        would throw away what it has not taken yet. Raises OSError."""
        told = reason.encode()[:REASON_BYTES].decode(errors="ignore")
        self.shutdown(socket.SHUT_RDWR, code, told)
        self.settimeout(GOODBYE_SECONDS)
        deadline = time.monotonic() + GOODBYE_SECONDS
        while time.monotonic() < deadline:
            try:
                if self.recv() is None:
                    return
            except ssl.SSLWantReadError:
                continue
            except Violation:
                return

    def _decode_hybi(self, buffer: bytes) -> dict | None:
        frame = super()._decode_hybi(buffer)
        if frame is not None:
            _judge(frame, reserved=buffer[0] & RESERVED)
        return frame

    @property
    def swollen(self) -> bool:
        """Whether a message is coming in that is longer than any of a console's."""
        return len(self._recv_buffer) + len(self._partial_msg) > MESSAGE_BYTES


class Relay:
    """One open console."""

    def __init__(self, browser: Browser, screen: socket.socket):
        self._browser, self._screen = browser, screen
        self._screen.setblocking(False)
        self._unsent: Callable[[], object] | None = None  # to be called again when there is room
        self._typed = b""  # on its way to the screen
        self._heard_at = time.monotonic()

    def run(self, reason_to_close: Callable[[], str]) -> None:
        """Pass on what comes, until either end is gone or there is a reason to close."""
        look_at = ping_at = time.monotonic()
        with contextlib.suppress(OSError):  # either end may go at any moment
            while time.monotonic() - self._heard_at < SILENCE_SECONDS:
                moment = time.monotonic()
                if server_ends.is_set() or not threading.main_thread().is_alive():
                    return self._close(SERVER_ENDS, "The portal is being restarted.")
                if moment >= look_at:
                    if reason := reason_to_close():
                        return self._close(OVER, reason)
                    look_at = moment + LOOK_SECONDS
                if moment >= ping_at and self._unsent is None:
                    self._tell(functools.partial(self._browser.ping, b""))
                    ping_at = moment + PING_SECONDS
                try:
                    goes_on = self._pass_on()
                except Violation as violation:
                    return self._close(violation.code, str(violation))
                if not goes_on:
                    return self._close(OVER, "The screen is gone.")
        return None

    def _pass_on(self) -> bool:
        """What can be read or written now has been, or a second has passed. False at the end."""
        queued = self._browser.pending() and not self._typed
        browser, screen = self._wait(0 if queued else WAIT_MILLISECONDS)
        if self._unsent and browser & WRITABLE:
            self._tell(self._unsent)
        if self._typed and screen & WRITABLE:
            self._typed = self._typed[self._screen.send(self._typed) :]
        if not self._typed and (queued or browser & READABLE) and not self._take_from_browser():
            return False
        if self._unsent is None and screen & READABLE:
            return self._take_from_screen()
        return True

    def _wait(self, milliseconds: int) -> tuple[int, int]:
        """What can be done with the browser and with the screen: poll(2). An end of which nothing
        is wanted is not looked at: it may have hung up, and would be ready for ever."""
        poll = select.poll()
        wanted = {
            self._browser.fileno(): (not self._typed, self._unsent is not None),
            self._screen.fileno(): (self._unsent is None, bool(self._typed)),
        }
        for file, (read, write) in wanted.items():
            if read or write:
                poll.register(file, (read and select.POLLIN) | (write and select.POLLOUT))
        ready = dict(poll.poll(milliseconds))
        return ready.get(self._browser.fileno(), 0), ready.get(self._screen.fileno(), 0)

    def _take_from_browser(self) -> bool:
        self._heard_at = time.monotonic()  # a pong is a sign of life too
        try:
            while len(self._typed) < CHUNK_BYTES:
                message = self._browser.recv()
                if message is None:
                    return False
                self._typed += message
        except ssl.SSLWantReadError:
            return not self._browser.swollen
        return True

    def _take_from_screen(self) -> bool:
        try:
            painted = self._screen.recv(CHUNK_BYTES)
        except BlockingIOError:
            return True
        if painted:
            self._tell(functools.partial(self._browser.send, painted))
        return bool(painted)

    def _tell(self, send: Callable[[], object]) -> None:
        """`send` has been done, or will be done again when the browser takes more."""
        try:
            send()
            self._unsent = None
        except ssl.SSLWantWriteError:
            self._unsent = send

    def _close(self, code: int, reason: str) -> None:
        if self._unsent is None and self._browser.socket is not None:
            self._browser.dismiss(code, reason)


def _judge(frame: dict, *, reserved: int) -> None:
    """Raises Violation for a frame that a browser may not send (RFC 6455, 5 and 7.4)."""
    opcode, payload = frame["opcode"], frame["payload"]
    if reserved or opcode not in KNOWN or not frame["masked"]:
        raise Violation(MALFORMED, "This is no frame of a browser.")
    if opcode == TEXT:
        raise Violation(UNSUPPORTED, "Text is not understood.")
    if opcode >= CLOSE and (len(payload) > CONTROL_BYTES or not frame["fin"]):
        raise Violation(MALFORMED, "A frame of control is short and whole.")
    if opcode != CLOSE or not payload:
        return
    if int.from_bytes(payload[:2]) not in CLOSE_CODES or len(payload) == 1:
        raise Violation(MALFORMED, "There is no such reason to close.")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise Violation(NOT_UTF8, "The reason to close is not UTF-8.") from None


def end_with_the_server() -> None:
    """When gunicorn is told to end, consoles end first: it would wait for them."""
    before = signal.getsignal(signal.SIGTERM)
    if not callable(before):
        return  # this is no server

    def end(number, frame):
        server_ends.set()
        before(number, frame)

    signal.signal(signal.SIGTERM, end)
