"""The web server: gunicorn's threads, and one loop before and behind them.

A thread is what a slow client wants to hold. So none is given to a request before it has come in
as a whole, and none waits until its answer has been taken: both is done by the loop of the main
thread, which serves a thousand connections by poll(2). Three kinds of requests hold a thread for
longer: an upload, which is read while it comes, at a least rate; an answer that is larger than
what is held back for one client; and a console. Uploads and consoles have places of their own.

Whoever is too slow is cut off. Where there are more connections than may be, the address that has
most of them gives up its oldest. Health has a thread of its own. Who waits for news waits with the
loop (`waiting`).
"""

import contextlib
import resource
import selectors
import socket
import time
from collections import Counter
from concurrent import futures
from functools import partial

from gunicorn import http, sock, util
from gunicorn.http.errors import InvalidChunkSize, LimitRequestHeaders, LimitRequestLine
from gunicorn.workers.gthread import TConn, ThreadWorker

from portal import config
from portal.server import arrivals, outlets, waiting
from portal.server.arrivals import Arrival, State

BODY_RATE = 16_384  # bytes a second: the slowest body that is waited for
GOODBYE_SECONDS = 2.0  # for a client to take our end of a connection before it is closed
HELD_MOST = 16 * 2**20  # bytes that the loop holds for all clients, of either direction
FILES = 4096  # open at a time: a thousand connections, and what serves them
READ_BYTES = 65_536
LOOK_SECONDS = 0.25  # between two looks at deadlines
HEALTH = b"/healthz"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(TConn):
    """A client: what it is sending, and by when the next thing shall have happened."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.read_anew()
        self.initialized = self.data_ready = True  # gunicorn's own ways of waiting are not used
        self.arrival = Arrival()
        self.deadline = 0.0
        self.address = self.client[0] if isinstance(self.client, tuple) else ""
        self.spot: waiting.Spot | None = None  # of a request that may wait, or does

    def read_anew(self) -> bytes:
        """The parser knows nothing of what it has read. Returns what it had not read yet."""
        ahead = self.parser.unreader.take_buffered() if self.parser else b""
        self.parser = http.get_parser(self.cfg, self.sock, self.client)
        self.parser.unreader = outlets.Paced(self.sock)
        return ahead or b""


class Worker(ThreadWorker):
    """gunicorn's worker with threads, which get requests that have come in."""

    def init_process(self):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, FILES), most))
        self.health = futures.ThreadPoolExecutor(max_workers=1)
        self.waiting: dict[Connection, None] = {}  # with the loop, the longest waiting one first
        self.look_at = 0.0
        self.front = self._front() if self.cfg.is_ssl else None
        super().init_process()

    def _front(self):
        from portal import certificates, db  # not for gunicorn's parent process
        from portal.server import tls

        directory = config.read_in_force().data_directory
        return tls.Front(
            partial(sock.ssl_context, self.cfg),
            renew=lambda: certificates.renew(directory, now=db.now()),
        )

    def load_wsgi(self):
        super().load_wsgi()
        self.patience = config.current().client_seconds
        self.wsgi = waiting.with_spots(outlets.with_judged_bodies(self.wsgi))
        self.news = waiting.News(
            config.current().redis, lambda those: self.method_queue.defer(self._tell, those)
        )

    # A connection's life: accept, arrive, (a thread), leave, and arrive again or part.

    def accept(self, listener):
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            stream, client = listener.accept()
            if self.front:
                stream = self.front.carry(stream)
            outlet = outlets.Outlet(fileno=stream.detach())
            while self.nr_conns >= self.worker_connections - 1 and self.waiting:
                self._end(self._most_dispensable())
            self.nr_conns += 1
            conn = Connection(self.cfg, outlet, client, listener.getsockname())
            self._wait(conn, selectors.EVENT_READ, self.patience, self._arrive)

    def _arrive(self, conn: Connection) -> None:
        """What has come was taken; the request is with a thread if that was the rest of it."""
        came = _received(conn)
        if came is None:
            return
        if not came:
            return self._end(conn)
        if not conn.arrival.data:
            conn.deadline = time.monotonic() + self.patience
        conn.arrival.take(came)
        self._judge(conn)
        return None

    def _judge(self, conn: Connection) -> None:
        arrival = conn.arrival
        if arrival.state is State.COMING and arrival.awaits_leave:
            arrival.awaits_leave = False
            with contextlib.suppress(OSError):
                conn.sock.send(CONTINUE)
        match arrival.state:
            case State.COMING if arrival.body_bytes and not arrival.body_began:
                arrival.body_began = True
                conn.deadline = time.monotonic() + self.patience + arrival.body_bytes / BODY_RATE
            case State.LONG_LINE:
                self._refuse(conn, LimitRequestLine(len(arrival.data), arrivals.LINE_LARGEST))
            case State.LONG_HEAD:
                self._refuse(conn, LimitRequestHeaders("limit request headers size"))
            case State.MALFORMED:
                self._refuse(conn, InvalidChunkSize(b""))
            case State.TOO_LARGE:
                self._say(conn, 413, "Content Too Large", "In chunks, no more is taken.")
            case State.WHOLE | State.STREAMED:
                self._leave_waiting(conn)
                self.enqueue_req(conn)

    def enqueue_req(self, conn):
        came, path = bytes(conn.arrival.data), conn.arrival.path
        conn.streamed = conn.arrival.state is State.STREAMED
        may_wait = path == waiting.PATH and not conn.streamed and len(came) <= waiting.LARGEST
        conn.spot = waiting.Spot(came) if may_wait else None
        conn.arrival = Arrival()
        self._give(conn, came, self.health if path == HEALTH else self.tpool)

    def _give(self, conn: Connection, came: bytes, pool: futures.Executor) -> None:
        """A thread has the request that these bytes are."""
        conn.sock.spot = conn.spot
        if conn.spot:
            conn.spot.heard = self.news.number
        conn.parser.unreader.unread(came)
        future = pool.submit(self.handle, conn)
        future.add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, conn, done)
        )

    def handle_request(self, req, conn):
        if conn.streamed:  # what is left of its body may be long: the answer says that it ends
            req.should_close = lambda: True
        return super().handle_request(req, conn)

    def finish_request(self, conn, fs):
        """The thread is done with it; what the client has not taken yet is given to it here."""
        if not fs.cancelled() and isinstance(fs.exception(), waiting.Parked):
            return self._park(conn)
        conn.spot = None
        keep = not fs.cancelled() and fs.exception() is None and bool(fs.result())
        try:
            conn.sock.setblocking(False)
        except OSError:  # a console closes its own
            keep = False
        if conn.sock.unsent and conn.sock.fileno() >= 0:
            seconds = self.patience + len(conn.sock.unsent) / BODY_RATE
            self._wait(conn, selectors.EVENT_WRITE, seconds, partial(self._leave, keep=keep))
            self._hold_no_more_than(HELD_MOST)
        else:
            self._part_or_keep(conn, keep)
        return None

    def _leave(self, conn: Connection, *, keep: bool) -> None:
        try:
            conn.sock.flush()
        except OSError:
            return self._end(conn)
        if not conn.sock.unsent:
            self._leave_waiting(conn)
            self._part_or_keep(conn, keep)
        return None

    def _part_or_keep(self, conn: Connection, keep: bool) -> None:
        if conn.sock.fileno() < 0:
            self.nr_conns -= 1
        elif keep and self.alive:
            self._wait(conn, selectors.EVENT_READ, self.cfg.keepalive, self._arrive)
            if ahead := conn.parser.unreader.take_buffered():
                conn.arrival.take(ahead)
                conn.deadline = time.monotonic() + self.patience
                self._judge(conn)
        else:
            self._part(conn)

    def _part(self, conn: Connection) -> None:
        """Our end is closed. The client's is read for a moment, or the kernel would throw away
        what it has not taken yet (RFC 9112, 9.6)."""
        with contextlib.suppress(OSError):
            conn.sock.shutdown(socket.SHUT_WR)
            return self._wait(conn, selectors.EVENT_READ, GOODBYE_SECONDS, self._take_leave)
        self.nr_conns -= 1
        util.close(conn.sock)
        return None

    def _take_leave(self, conn: Connection) -> None:
        try:
            if conn.sock.recv(READ_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._end(conn)

    def _end(self, conn: Connection) -> None:
        self._leave_waiting(conn)
        self.nr_conns -= 1
        util.close(conn.sock)

    # Who waits for news

    def _park(self, conn: Connection) -> None:
        """The request waits, unless there has been news since it was asked."""
        spot = conn.spot
        spot.ahead[:] = conn.read_anew()
        self.news.begin()
        self._wait(conn, selectors.EVENT_READ, spot.until - time.monotonic(), self._take_ahead)
        if self.news.since(spot.heard, spot.news_of):
            return self._ask_again(conn)
        mine = [each for each in self.waiting if each.spot and each.spot.account == spot.account]
        if len(mine) > waiting.MOST_PER_ACCOUNT:
            self._ask_again(mine[0], last=True)
        return None

    def _tell(self, those: set[str] | None) -> None:
        for conn in list(self.waiting):
            if conn.spot and (those is None or conn.spot.news_of in those):
                self._ask_again(conn)

    def _ask_again(self, conn: Connection, *, last: bool = False) -> None:
        """A thread has it once more; with `last` it is answered, whatever is found."""
        self._leave_waiting(conn)
        conn.spot.last = last
        self._give(conn, conn.spot.request + conn.spot.ahead, self.tpool)

    def _take_ahead(self, conn: Connection) -> None:
        """A client that is gone waits no longer; what it sends meanwhile is its next request."""
        came = _received(conn)
        if came is None:
            return
        conn.spot.ahead += came
        if not came or len(conn.spot.ahead) > READ_BYTES:
            self._end(conn)

    # Answers that the server itself gives

    def _refuse(self, conn: Connection, error: Exception) -> None:
        self.handle_error(None, conn.sock, conn.client, error)
        self._leave_waiting(conn)
        self._part(conn)

    def _say(self, conn: Connection, status: int, reason: str, sentence: str) -> None:
        with contextlib.suppress(OSError):
            util.write_error(outlets.Bare(conn.sock), status, reason, sentence)
        self._leave_waiting(conn)
        self._part(conn)

    def handle_error(self, req, client, addr, exc):
        super().handle_error(req, outlets.Bare(client), addr, exc)

    # Whoever waits in the loop, and for how long

    def _wait(self, conn: Connection, event: int, seconds: float, call) -> None:
        conn.sock.setblocking(False)
        conn.deadline = time.monotonic() + seconds
        self.waiting[conn] = None
        self.poller.register(conn.sock, event, lambda _: call(conn))

    def _leave_waiting(self, conn: Connection) -> None:
        if conn in self.waiting:
            del self.waiting[conn]
            self.poller.unregister(conn.sock)

    def murder_keepalived(self, force=False):
        """Called after each turn of the loop: whoever is late has been cut off."""
        moment = time.monotonic()
        if moment < self.look_at and not force and self.alive:
            return
        self.look_at = moment + LOOK_SECONDS
        for conn in list(self.waiting):
            if conn.spot and not force:
                if moment >= conn.deadline or not self.alive:
                    self._ask_again(conn, last=True)
                continue
            idle = not conn.arrival.data and not conn.sock.unsent
            if force or moment >= conn.deadline or (idle and not self.alive):
                if conn.arrival.data and not force:
                    self._say(conn, 408, "Request Timeout", "The request came too slowly.")
                else:
                    self._end(conn)
        self._hold_no_more_than(HELD_MOST)
        if force:
            self.health.shutdown(wait=False)

    def _most_dispensable(self) -> Connection:
        """The oldest that waits, of the address that has most."""
        held = Counter(conn.address for conn in self.waiting)
        [(address, _)] = held.most_common(1)
        return next(conn for conn in self.waiting if conn.address == address)

    def _hold_no_more_than(self, most: int) -> None:
        sizes = {conn: len(conn.arrival.data) + len(conn.sock.unsent) for conn in self.waiting}
        held = sum(sizes.values())
        for conn in sorted(sizes, key=sizes.get, reverse=True):
            if held <= most:
                return
            held -= sizes[conn]
            self._end(conn)


def _received(conn: Connection) -> bytes | None:
    """What a client has sent; nothing if it is gone, None if nothing has come."""
    try:
        return conn.sock.recv(READ_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return b""
