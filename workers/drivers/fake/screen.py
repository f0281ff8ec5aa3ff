"""The screen of a fake guest: a picture that a real VNC client shows, and that each key changes.

It speaks RFB 3.8 (RFC 6143) without a password, raw encoding, one pixel format.
"""

import socket
import struct
import threading

from workers.drivers.fake.state import FakeHost

WIDTH, HEIGHT = 320, 200
NAME = b"A fake guest"
PIXEL_FORMAT = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
MESSAGE_BYTES = {0: 20, 2: 4, 3: 10, 4: 8, 5: 6, 6: 8}  # RFC 6143, section 7.5
CONTENT_LARGEST = 2**20  # bytes of pasted text


def open_screen(fake: FakeHost, instance_id: str) -> socket.socket:
    """A stream of the guest's screen. Raises ConnectionRefusedError when it is off."""
    guest = fake.get("guest", instance_id)
    if guest is None or guest["power"] != "running":
        raise ConnectionRefusedError("the fake guest is off")
    ours, theirs = socket.socketpair()
    threading.Thread(target=_serve, args=(ours, guest["boots"]), daemon=True).start()
    return theirs


def _serve(stream: socket.socket, boots: int) -> None:
    with stream, stream.makefile("rb") as incoming:
        try:
            _greet(stream, incoming)
            _paint(stream, incoming, shade=boots)
        except (OSError, struct.error, LookupError):
            return  # the client has gone, or speaks something else


def _greet(stream: socket.socket, incoming) -> None:
    stream.sendall(b"RFB 003.008\n")
    incoming.readline()
    stream.sendall(b"\x01\x01")  # one security type: none
    incoming.read(1)
    stream.sendall(struct.pack(">I", 0))  # accepted
    incoming.read(1)
    stream.sendall(struct.pack(">HH", WIDTH, HEIGHT) + PIXEL_FORMAT)
    stream.sendall(struct.pack(">I", len(NAME)) + NAME)


def _paint(stream: socket.socket, incoming, *, shade: int) -> None:
    """Answers each question for the picture once there is another than before."""
    asked, shown = False, None
    while kind := incoming.read(1):
        message = kind + incoming.read(MESSAGE_BYTES[kind[0]] - 1)
        match kind[0]:
            case 2:
                incoming.read(4 * struct.unpack(">2xH", message)[0])
            case 3:
                asked = True
                if not message[1]:  # the whole picture, whether it is another or not
                    shown = None
            case 4:
                shade += message[1]  # 1 when pressed
            case 6:
                incoming.read(min(CONTENT_LARGEST, struct.unpack(">4xI", message)[0]))
        if asked and shade != shown:
            stream.sendall(_picture(shade))
            asked, shown = False, shade


def _picture(shade: int) -> bytes:
    """One raw rectangle: broad stripes, one of them bright."""
    stripes = [bytes((96, 48 + 8 * (row % 8), 40, 0)) for row in range(8)]
    stripes[shade % 8] = bytes((90, 200, 240, 0))
    rows = b"".join(stripes[row * 8 // HEIGHT] * WIDTH for row in range(HEIGHT))
    return struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0) + rows
