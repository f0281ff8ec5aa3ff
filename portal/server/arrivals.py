"""How far a request has come in (RFC 9112), as far as the loop has to know: where it ends.

Judged by gunicorn's parser it is only afterwards, so nothing is taken from here: where the two
differ, the thread finds too few bytes, and waits for more no longer than for a slow upload.
"""

import enum
import re

LINE_LARGEST = 4094  # bytes, as gunicorn has it
HEAD_LARGEST = 65_536
BODY_LARGEST = 2**20 + 65_536  # of a body that is waited for: the application takes 1 MiB
END_OF_HEAD = b"\r\n\r\n"
CHUNK_LINE_LARGEST = 1024
SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?")


class State(enum.Enum):
    """What is to be done with a request."""

    COMING = enum.auto()  # wait for more of it
    WHOLE = enum.auto()
    STREAMED = enum.auto()  # its body is to be read by whoever wants it
    LONG_LINE = enum.auto()
    LONG_HEAD = enum.auto()
    TOO_LARGE = enum.auto()
    MALFORMED = enum.auto()


class Arrival:
    """A request on its way in."""

    def __init__(self):
        self.data = bytearray()
        self.state = State.COMING
        self.body_bytes = 0  # of its body, as far as that is known
        self.body_began = self.awaits_leave = False
        self._head_bytes = 0  # once the whole head is there
        self._chunk_at: int | None = None  # where the next chunk's size begins

    @property
    def path(self) -> bytes:
        """What is asked for, without its query."""
        words = bytes(self.data[:LINE_LARGEST]).partition(b"\r\n")[0].split(b" ")
        return words[1].partition(b"?")[0] if len(words) > 1 else b""

    def take(self, came: bytes) -> None:
        """`came` is a part of it."""
        looked = max(0, len(self.data) - len(END_OF_HEAD))
        self.data += came
        if not self._head_bytes:
            self.state = self._read_head(looked)
        if self._head_bytes and self.state is State.COMING:
            self.state = self._read_body()

    def _read_head(self, looked: int) -> State:
        while self.data[:2] == b"\r\n":  # RFC 9112, 2.2: before a request they are nothing
            del self.data[:2]
            looked = 0
        end = self.data.find(END_OF_HEAD, looked)
        if self.data.find(b"\r\n", 0, LINE_LARGEST + 2) < 0 and len(self.data) > LINE_LARGEST:
            return State.LONG_LINE
        if end > HEAD_LARGEST or (end < 0 and len(self.data) > HEAD_LARGEST):
            return State.LONG_HEAD
        if end < 0:
            return State.COMING
        self._head_bytes = end + len(END_OF_HEAD)
        self._understand(bytes(self.data[:end]).lower())
        return State.COMING

    def _understand(self, head: bytes) -> None:
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            match name.strip(), value.strip():
                case b"content-length", length if length.isdigit() and len(length) < 19:
                    self.body_bytes = int(length)
                case b"transfer-encoding", _:
                    self._chunk_at = self._head_bytes
                    self.body_bytes = BODY_LARGEST
                case b"expect", b"100-continue":
                    self.awaits_leave = True

    def _read_body(self) -> State:
        if self._chunk_at is not None:
            return self._read_chunks()
        if self.body_bytes > BODY_LARGEST:
            return State.STREAMED
        whole = len(self.data) >= self._head_bytes + self.body_bytes
        return State.WHOLE if whole else State.COMING

    def _read_chunks(self) -> State:
        """RFC 9112, 7.1."""
        while (end := self.data.find(b"\r\n", self._chunk_at)) >= 0:
            size = SIZE.fullmatch(self.data, self._chunk_at, end)
            if size is None:
                return State.MALFORMED
            length = int(size[1], 16)
            if length == 0:
                ended = self.data.find(END_OF_HEAD, end) >= 0  # behind trailers, or none
                return State.WHOLE if ended else self._if_not_too_large()
            after = end + 2 + length
            if after - self._head_bytes > BODY_LARGEST:
                return State.TOO_LARGE
            if len(self.data) < after + 2:
                return State.COMING
            if self.data[after : after + 2] != b"\r\n":
                return State.MALFORMED
            self._chunk_at = after + 2
        if len(self.data) - self._chunk_at > CHUNK_LINE_LARGEST:
            return State.MALFORMED
        return self._if_not_too_large()

    def _if_not_too_large(self) -> State:
        large = len(self.data) - self._head_bytes > BODY_LARGEST
        return State.TOO_LARGE if large else State.COMING
