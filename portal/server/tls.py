"""TLS before the web server: one more thread, which takes it off what clients send and puts it on
what they are answered. The server reads and writes one end of a pair of sockets, as if it were
the client's own; who is slow, and who is let in, is judged there as ever.

A client that speaks http is sent to https. What the certificate's file holds is looked at once an
hour, when one of our own is renewed before it ends too: who comes after that is shown the new one.
"""

import asyncio
import contextlib
import re
import socket
import ssl
import threading
from asyncio import sslproto
from collections.abc import Callable
from concurrent import futures

HANDSHAKE = 0x16  # the first byte of a client that speaks TLS (RFC 8446, 5.1)
MOST = 1200  # clients: as many as the server serves, and those that are just leaving
PATIENCE_SECONDS = 10
GOODBYE_SECONDS = 2.0  # for a client to take its answer before the connection is closed
QUIET_SECONDS = 0.25  # without a byte more of it
LOOK_SECONDS = 3600
CHUNK_BYTES = 65_536
HEAD_BYTES = 4096  # of a request in the clear
HELD_BYTES = 32_768  # that asyncio sets aside for each client; by itself it takes 256 KiB
ASKED = re.compile(
    rb"[A-Z]+ (/[!-~]*) HTTP/1\.[01]\r\n(?:.*\r\n)*?host: *([a-z0-9.:\[\]-]+) *\r\n", re.IGNORECASE
)
ELSEWHERE = "This address speaks https: put https:// before it."


class Front:
    """Takes clients, and gives the server the end of each that is in the clear."""

    def __init__(self, context: Callable[[], ssl.SSLContext], renew: Callable[[], None]):
        sslproto.SSLProtocol.max_size = HELD_BYTES
        self._make, self._renew = context, renew
        self._context = context()
        self._tasks: set[asyncio.Task] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="tls", daemon=True).start()
        self._start(self._keep())

    def carry(self, client: socket.socket) -> socket.socket:
        """What the client says, without TLS; what is written to it comes to the client with it."""
        ours, theirs = socket.socketpair()
        if len(self._tasks) < MOST:
            self._start(self._carry(client, theirs))
        else:
            client.close()
            theirs.close()
        return ours

    def look(self) -> futures.Future:
        """Whoever comes from then on is shown what the certificate's file holds, which has been
        renewed if that was due."""
        return asyncio.run_coroutine_threadsafe(self._look(), self._loop)

    def _start(self, work) -> None:
        def start() -> None:
            task = self._loop.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._loop.call_soon_threadsafe(start)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(OSError, ValueError):  # the one that is shown goes on
                await self._look()

    async def _look(self) -> None:
        await self._loop.run_in_executor(None, self._renew)
        self._context = self._make()

    async def _carry(self, client: socket.socket, inside: socket.socket) -> None:
        client.setblocking(False)
        inside.setblocking(False)
        try:
            async with asyncio.timeout(2 * PATIENCE_SECONDS):
                joined = await self._unless_gone(self._greet(client), inside)
            if joined:
                await self._join(*joined, inside)
        except (OSError, TimeoutError):
            pass  # either end may go at any moment
        finally:
            client.close()
            inside.close()

    async def _unless_gone(self, work, inside: socket.socket):
        """What `work` comes to; None if the server has given the client up before: it says nothing
        to one that has not asked for anything."""
        gone, task = self._loop.create_future(), self._loop.create_task(work)
        self._loop.add_reader(inside, lambda: gone.done() or gone.set_result(None))
        try:
            await asyncio.wait((gone, task), return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            self._loop.remove_reader(inside)
            task.cancel()

    async def _greet(self, client: socket.socket):
        """Both directions of a client by TLS. None where it has gone, or speaks something else,
        and has been told so."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            first = await self._first_byte(client)
            if first != HANDSHAKE:
                if first is not None:
                    await self._send_elsewhere(client)
                return None
        reader = asyncio.StreamReader(limit=CHUNK_BYTES, loop=self._loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self._loop)
        transport, _ = await self._loop.connect_accepted_socket(
            lambda: protocol,
            client,
            ssl=self._context,
            ssl_handshake_timeout=PATIENCE_SECONDS,
            ssl_shutdown_timeout=GOODBYE_SECONDS,
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)

    async def _first_byte(self, client: socket.socket) -> int | None:
        """What the client begins with, which is left where it is; None if it has gone."""
        ready = self._loop.create_future()
        self._loop.add_reader(client, lambda: ready.done() or ready.set_result(None))
        try:
            await ready
        finally:
            self._loop.remove_reader(client)
        began = client.recv(1, socket.MSG_PEEK)
        return began[0] if began else None

    async def _join(
        self, reader: asyncio.StreamReader, outside: asyncio.StreamWriter, inside: socket.socket
    ) -> None:
        answers, within = await asyncio.open_connection(sock=inside, limit=CHUNK_BYTES)
        taking = self._loop.create_task(_pump(reader, within))
        giving = self._loop.create_task(_pump(answers, outside, patience=PATIENCE_SECONDS))
        try:
            await asyncio.wait((taking, giving), return_when=asyncio.FIRST_COMPLETED)
            if giving.done():  # the server is done with it
                taking.cancel()
                await _linger(reader)
            else:
                with contextlib.suppress(OSError):
                    within.write_eof()
                await giving
        finally:
            for each in (taking, giving):
                each.cancel()
            for writer in (outside, within):
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _send_elsewhere(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and len(head) < HEAD_BYTES:
            came = await self._loop.sock_recv(client, HEAD_BYTES)
            if not came:
                break
            head += came
        asked = ASKED.match(head)
        status, where = "400 Bad Request", ""
        if asked:
            status = "308 Permanent Redirect"
            where = f"Location: https://{asked[2].decode()}{asked[1].decode()}\r\n"
        answer = (
            f"HTTP/1.1 {status}\r\n{where}Content-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(ELSEWHERE) + 1}\r\nConnection: close\r\n\r\n{ELSEWHERE}\n"
        )
        await self._loop.sock_sendall(client, answer.encode())
        client.shutdown(socket.SHUT_WR)


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, patience: float | None = None
) -> None:
    """What comes has been passed on, until either end has gone, or has taken nothing for as long as
    there is patience: the server cuts off who is slow, and would not be heard behind what waits."""
    with contextlib.suppress(OSError):
        while came := await reader.read(CHUNK_BYTES):
            writer.write(came)
            async with asyncio.timeout(patience):
                await writer.drain()


async def _linger(reader: asyncio.StreamReader) -> None:
    """What a client is still sending has been read for a moment, and thrown away: it would not read
    its answer before it has sent all."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(GOODBYE_SECONDS):
            while await asyncio.wait_for(reader.read(CHUNK_BYTES), QUIET_SECONDS):
                pass
