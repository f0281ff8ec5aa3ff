"""Calling the agent of a host: the portal's end of a console.

The portal opens no screen itself. It may run elsewhere, and as a user who sees no guest; so it
asks the agent, in one line that is sealed with the host's key, and gets a stream.
"""

import secrets
import socket
import time

from portal import keys
from portal.errors import Unavailable
from portal.models import Host, Instance
from workers import specs
from workers.wire import NO_SCREEN, OK

PATIENCE_SECONDS = 5.0  # for the agent to answer
CALL_SECONDS = 30  # how long a call is good: the clocks of portal and host may differ
ANSWER_BYTES = 32


def open_screen(instance: Instance) -> socket.socket:
    """A stream of the guest's screen and keys (RFB, RFC 6143). Raises Unavailable when there is
    none to be had at this moment."""
    host = instance.host
    stream = _reach(host)
    try:
        stream.sendall(_call(host, instance) + b"\n")
        said = _answer(stream)
    except OSError:
        said = b""
    if said == OK:
        return stream
    stream.close()
    if said == NO_SCREEN:
        raise Unavailable("{instance} has no screen at this moment.", instance=instance.name)
    raise Unavailable("The host of {instance} does not show its screen.", instance=instance.name)


def _reach(host: Host) -> socket.socket:
    scheme, _, path = host.console_address.partition("://")
    if scheme != "unix":
        raise Unavailable("The host has not said yet where it shows screens.")
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(PATIENCE_SECONDS)
    try:
        stream.connect(path)
    except OSError as error:
        stream.close()
        raise Unavailable(
            "The host's agent cannot be reached: {problem}.", problem=error.strerror
        ) from None
    return stream


def _call(host: Host, instance: Instance) -> bytes:
    call = specs.ConsoleCall(
        host=host.name,
        instance_id=str(instance.id),
        nonce=secrets.token_hex(16),
        not_after=time.time() + CALL_SECONDS,
    )
    return keys.host_cipher(host.sealed_key).encrypt(specs.pack(specs.dump(call)))


def _answer(stream: socket.socket) -> bytes:
    """One line. Read byte by byte: what follows belongs to the screen."""
    said = b""
    while not said.endswith(b"\n") and len(said) < ANSWER_BYTES:
        if not (byte := stream.recv(1)):
            break
        said += byte
    return said
