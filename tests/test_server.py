"""Two hundred slow clients, of every kind, and a person whose pages stay quick beside them."""

import contextlib
import re
import selectors
import socket
import statistics
import threading
import time
import uuid

import pytest
import requests

from portal.errors import Busy
from portal.places import Places
from portal.sentences import Sentence
from portal.server.arrivals import Arrival, State
from tests.web import WebServer

CLIENTS = 200
QUICK_SECONDS = 0.3
PAGES = 15
PATIENCE_SECONDS = 20


@pytest.fixture
def serve(cloud, tmp_path):
    """Starts the web process with settings."""
    started = []

    def serve(**settings):
        web = WebServer(tmp_path, **settings)
        started.append(web)
        web.wait()
        return web

    yield serve
    for web in started:
        web.stop()
        assert "Traceback" not in web.log


def half_a_head(port: int) -> bytes:
    return f"GET /login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-More: ".encode()


def half_a_body(port: int) -> bytes:
    head = f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 900000\r\n"
    return f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\nname=".encode()


def half_a_chunk(port: int) -> bytes:
    head = f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nTransfer-Encoding: chunked\r\n"
    return f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\nfffff\r\nname=".encode()


def an_answer_that_is_not_read(port: int) -> bytes:
    one = f"GET /static/vendor/novnc.js HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    return one * 40


class Drip:
    """Clients that send a beginning, and then a byte now and again for as long as they may."""

    def __init__(self, port: int, beginning: bytes, *, count: int = CLIENTS, drips: bool = True):
        self.streams = []
        for _ in range(count):
            stream = socket.socket()
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            stream.connect(("127.0.0.1", port))
            stream.sendall(beginning)
            self.streams.append(stream)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._drip, daemon=True)
        if drips:
            self._thread.start()

    def _drip(self):
        while not self._over.wait(0.5):
            for stream in self.streams:
                with contextlib.suppress(OSError):
                    stream.send(b"a", socket.MSG_DONTWAIT)

    def cut_off_within(self, seconds: float) -> int:
        """How many have heard the end of their connection by then."""
        ended, deadline = 0, time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            for stream in self.streams:
                stream.setblocking(False)
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map() and time.monotonic() < deadline:
                for key, _ in selector.select(0.1):
                    try:
                        said = key.fileobj.recv(65_536)
                    except BlockingIOError:
                        continue
                    except ConnectionError:
                        said = b""
                    if not said:
                        selector.unregister(key.fileobj)
                        ended += 1
        return ended

    def close(self):
        self._over.set()
        for stream in self.streams:
            stream.close()


def seconds_for(call) -> float:
    """Median of how long it takes."""
    taken = []
    for _ in range(PAGES):
        began = time.monotonic()
        assert call().status_code == 200
        taken.append(time.monotonic() - began)
    return statistics.median(taken)


@pytest.mark.parametrize(
    "beginning", [half_a_head, half_a_body, half_a_chunk, an_answer_that_is_not_read]
)
def test_a_persons_pages_stay_quick_beside_two_hundred_slow_clients(serve, beginning):
    web = serve()
    alice = web.sign_in("alice")
    page = lambda: alice.get("/account/password")  # noqa: E731
    health = lambda: requests.get(f"{web.url}/healthz", timeout=PATIENCE_SECONDS)  # noqa: E731
    alone = seconds_for(page)
    crowd = Drip(web.port, beginning(web.port))
    try:
        beside = seconds_for(page), seconds_for(health)
    finally:
        crowd.close()
    assert max(beside) <= max(QUICK_SECONDS, 4 * alone), f"{alone:.3f} s alone, beside: {beside}"


@pytest.mark.parametrize(("beginning", "drips"), [(half_a_head, True), (b"", False)])
def test_a_request_that_does_not_come_is_cut_off(serve, beginning, drips):
    web = serve(client_seconds=1)
    crowd = Drip(web.port, beginning and beginning(web.port), drips=drips)
    try:
        assert crowd.cut_off_within(PATIENCE_SECONDS) == CLIENTS
    finally:
        crowd.close()


def test_whoever_has_most_connections_gives_up_the_oldest_when_there_are_too_many(serve):
    web = serve(client_seconds=60)
    alice = web.sign_in("alice")
    crowd = Drip(web.port, half_a_head(web.port), count=1100, drips=False)
    try:
        assert seconds_for(lambda: alice.get("/account/password")) <= 4 * QUICK_SECONDS
    finally:
        crowd.close()


def test_what_comes_in_pieces_and_one_behind_the_other_is_answered_in_order(serve):
    web = serve()
    head = f"HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\n"
    chunked = f"POST /login {head}Transfer-Encoding: chunked\r\n\r\n5\r\nname=\r\n0\r\n\r\n"
    asked = f"GET /healthz {head}\r\n{chunked}GET /static/boot.js {head}Connection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", web.port), PATIENCE_SECONDS) as stream:
        for at in range(0, len(asked), 7):
            stream.sendall(asked[at : at + 7].encode())
        said = b""
        while part := stream.recv(65_536):
            said += part
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"200", b"400", b"404"]


def test_a_slow_reader_gets_all_of_it(serve):
    """The positive control: whoever is slow, and not too slow, has the whole answer."""
    web = serve()
    with socket.socket() as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        stream.connect(("127.0.0.1", web.port))
        head = f"HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\nConnection: close\r\n\r\n"
        stream.sendall(f"GET /static/vendor/novnc.js {head}".encode())
        said = b""
        while part := stream.recv(4096):
            said += part
    assert said.partition(b"\r\n\r\n")[2] == (
        requests.get(f"{web.url}/static/vendor/novnc.js", timeout=PATIENCE_SECONDS).content
    )


def test_what_the_server_itself_refuses_bears_the_headers_of_every_page(serve):
    web = serve()
    head = f"HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\n"
    hostile = {
        414: f"GET /{'a' * 9000} {head}\r\n",
        431: f"GET / {head}X-Long: {'a' * 70_000}\r\n\r\n",
        400: f"POST /login {head}Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        413: f"POST /login {head}Transfer-Encoding: chunked\r\n\r\nfffffff\r\n",
        501: f"POST /login {head}Transfer-Encoding: lzw\r\n\r\n0\r\n\r\n",
    }
    for status, asked in hostile.items():
        with socket.create_connection(("127.0.0.1", web.port), PATIENCE_SECONDS) as stream:
            stream.sendall(asked.encode())
            said = b""
            while part := stream.recv(65_536):
                said += part
        assert said.startswith(b"HTTP/1.1 %d" % status), said
        for header in (b"Content-Security-Policy: default-src 'none'", b": nosniff", b": no-store"):
            assert header in said, (status, said)


def test_a_chunk_that_is_none_is_a_bad_request_wherever_it_comes():
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    judged = {
        b"5\r\nhello\r\n0\r\n\r\n": State.WHOLE,
        b"5;name=value\r\nhello\r\n0\r\nTrailer: x\r\n\r\n": State.WHOLE,
        b"5\r\nhel": State.COMING,
        b"5\r\nhello!\r\n": State.MALFORMED,
        b"-1\r\n": State.MALFORMED,
        b"0x5\r\nhello\r\n": State.MALFORMED,
        b"\r\n": State.MALFORMED,
        b"5" * 2000: State.MALFORMED,
        b"fffffffffffffff\r\n": State.TOO_LARGE,
    }
    for body, state in judged.items():
        for size in (1, 3, len(head + body)):
            arrival, whole = Arrival(), head + body
            for at in range(0, len(whole), size):
                if arrival.state is State.COMING:
                    arrival.take(whole[at : at + size])
            assert arrival.state is state, (body, size)


def upload(web, person, project_id, *, send: bytes) -> tuple[socket.socket, bytes]:
    """A form with a file, of which only a beginning comes."""
    token = person.token(f"/projects/{project_id}/images/new")
    fields = {"csrf_token": token, "name": "Slow", "visibility": "private", "key": uuid.uuid4().hex}
    form = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    form += '--x\r\nContent-Disposition: form-data; name="file"; filename="a.img"\r\n\r\n'
    stream = socket.create_connection(("127.0.0.1", web.port), PATIENCE_SECONDS)
    head = f"POST /projects/{project_id}/images HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\n"
    head += f"Cookie: {person.cookies}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    stream.sendall(f"{head}Content-Length: 50000000\r\n\r\n{form}".encode() + send)
    return stream


def answer(stream: socket.socket) -> bytes:
    said = b""
    with contextlib.suppress(ConnectionError):
        while part := stream.recv(65_536):
            said += part
    return said


def test_an_upload_that_stands_still_is_cut_off_and_its_place_is_free(serve, cloud):
    web = serve(client_seconds=1, uploads_at_once=2, consoles_at_once=2)
    alice, red = web.sign_in("alice"), cloud.project("red").id
    for _ in range(2):
        with upload(web, alice, red, send=b"x" * 1000) as stream:
            said = answer(stream)
            assert said.startswith(b"HTTP/1.1 408"), said
            assert b"Connection: close" in said
    assert (
        alice.post(f"/projects/{red}/images", page=f"/projects/{red}/images/new").status_code != 503
    )


def test_one_persons_uploads_leave_places_for_others(serve, cloud):
    web = serve(client_seconds=60)
    alice, bob, red = web.sign_in("alice"), web.sign_in("bob"), cloud.project("red").id
    with contextlib.ExitStack() as slow:
        for _ in range(2):
            slow.enter_context(upload(web, alice, red, send=b""))
        said = b""
        while b"You have 2 files on their way, as many as one person may at a time." not in said:
            with upload(web, alice, red, send=b"") as third:
                said = answer(third)
            assert said.startswith(b"HTTP/1.1 503"), said
        assert b"Connection: close" in said  # it does not say that it goes on, and then closes
        refused = bob.post(f"/projects/{red}/images", page=f"/projects/{red}/images/new")
        assert refused.status_code == 422  # judged: he has a place, and sent no file


def test_places_are_shared_out_per_person_and_project():
    places = Places(8, full=Sentence("All taken."), each="consoles open", retry_after=30)
    alice, bob, red, blue = (uuid.uuid4() for _ in range(4))
    with contextlib.ExitStack() as taken:
        take = lambda user, project: taken.enter_context(places.one(user, project))  # noqa: E731
        for _ in range(4):
            take(alice, red)
        with pytest.raises(Busy, match="You have 4 consoles open"):
            take(alice, blue)
        take(bob, red)
        take(uuid.uuid4(), red)
        with pytest.raises(Busy, match="This project has 6 consoles open"):
            take(bob, red)
        take(bob, blue)
        take(bob, blue)
        with pytest.raises(Busy, match="All taken"):
            take(uuid.uuid4(), uuid.uuid4())
    with places.one(alice, red):
        pass
