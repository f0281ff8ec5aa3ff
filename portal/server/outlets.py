"""Both directions of a connection while a thread has it: reading at a least rate, and writing
without waiting for whoever is slow to take it."""

import select
import socket
import time

from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.unreader import SocketUnreader

from portal import config

UPLOAD_RATE = 32_768  # bytes a second: the slowest upload, and as slow may an answer be taken
HELD_LARGEST = 512 * 1024  # bytes of an answer that are kept for a client, beside the kernel's
SEND_BYTES = 2**18
KERNEL_BYTES = 2**17  # asked for; it takes twice that, and not megabytes for whoever reads nothing
HEADERS = (
    b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'; base-uri 'none'\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
    b"Referrer-Policy: no-referrer\r\n"
    b"Cross-Origin-Opener-Policy: same-origin\r\n"
    b"Cache-Control: no-store\r\n"
)


class Outlet(socket.socket):
    """A client's socket. What is written and not taken at once is `unsent`: the loop sends it."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
        self.unsent = bytearray()

    def sendall(self, data, flags=0) -> None:
        """It is sent, or kept. Waits only while more is kept than may be, and then no longer than
        a slow client may take. Raises ConnectionError for one that is slower."""
        self.unsent += data
        self.flush()
        pace = Pace()
        while len(self.unsent) > HELD_LARGEST:
            before, began = len(self.unsent), time.monotonic()
            self._wait_for_room()
            self.flush()
            if pace.too_slow(before - len(self.unsent), time.monotonic() - began):
                self.unsent.clear()
                raise ConnectionResetError(104, "the client took the answer too slowly")

    def flush(self) -> None:
        """The kernel has of what is unsent what it has room for."""
        while self.unsent:
            try:
                sent = self.send(self.unsent[:SEND_BYTES], socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            del self.unsent[:sent]

    def sendfile(self, file, offset=0, count=None) -> int:
        file.seek(offset)
        left = count
        while left and (part := file.read(min(left, SEND_BYTES))):
            self.sendall(part)
            left -= len(part)
        return count - left

    def _wait_for_room(self) -> None:
        poll = select.poll()
        poll.register(self.fileno(), select.POLLOUT)
        poll.poll(config.current().client_seconds * 1000)


class Pace:
    """Whether a client is as fast as it has to be, while it is waited for."""

    def __init__(self):
        self._bytes, self._seconds = 0, 0.0

    def too_slow(self, count: int, seconds: float) -> bool:
        """So many bytes more have been moved within so many seconds of waiting."""
        self._bytes += count
        self._seconds += seconds
        if self._seconds < config.current().client_seconds:
            return False
        slow = self._bytes < UPLOAD_RATE * self._seconds
        self._bytes, self._seconds = 0, 0.0
        return slow


class Paced(SocketUnreader):
    """What a client sends while a thread reads it. Raises RequestTimeout for one that is slow."""

    def __init__(self, sock):
        super().__init__(sock)
        self._pace = Pace()

    def chunk(self, size_hint=None):
        began = time.monotonic()
        poll = select.poll()
        poll.register(self.sock.fileno(), select.POLLIN)
        ready = poll.poll(config.current().client_seconds * 1000)
        data = super().chunk(size_hint) if ready else b""
        slow = self._pace.too_slow(len(data), time.monotonic() - began)
        if slow or not ready:
            from werkzeug.exceptions import RequestTimeout  # not for gunicorn's parent process

            raise RequestTimeout("The file came too slowly, so the rest of it was not waited for.")
        return data


class Bare:
    """A socket for what the server says without the application: with the same headers."""

    def __init__(self, outlet: socket.socket):
        self._outlet = outlet

    def sendall(self, data: bytes) -> None:
        self._outlet.sendall(data.replace(b"\r\n", b"\r\n" + HEADERS, 1))

    def __getattr__(self, name):
        return getattr(self._outlet, name)


class Body:
    """The body of a request, whose faults are the client's."""

    def __init__(self, body):
        self._body = body

    def read(self, *arguments):
        return self._judged(self._body.read, *arguments)

    def readline(self, *arguments):
        return self._judged(self._body.readline, *arguments)

    def readlines(self, *arguments):
        return self._judged(self._body.readlines, *arguments)

    def __iter__(self):
        return iter(self.readline, b"")

    @staticmethod
    def _judged(read, *arguments):
        try:
            return read(*arguments)
        except (ParseException, NoMoreData):
            from werkzeug.exceptions import BadRequest

            raise BadRequest("The request's body is malformed, or ended before its time.") from None


def with_judged_bodies(application):
    """The application, which is told of bad bodies in words that it knows."""

    def call(environ, start_response):
        environ["wsgi.input"] = Body(environ["wsgi.input"])
        return application(environ, start_response)

    return call
