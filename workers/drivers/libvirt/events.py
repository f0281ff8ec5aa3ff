"""Who wants to know at once that a guest started, stopped or crashed is called by libvirt.

https://libvirt.org/html/libvirt-libvirt-event.html: one event loop a process, here in a thread
of its own. An event is a hint to look, and nothing is read from it, so one that was missed while
libvirtd was away costs nothing: after each new connection there is one call more.
"""

import contextlib
import threading
from collections.abc import Callable

import libvirt

RECONNECT_SECONDS = 1.0
TEND_SECONDS = 5.0
KEEPALIVE_SECONDS, KEEPALIVE_COUNT = 5, 3

_loop_started = threading.Lock()
_loop: threading.Thread | None = None


def watch(
    uri: str,
    changed: Callable[[], None],
    tend: Callable[[libvirt.virConnect], None] = lambda _: None,
) -> threading.Thread:
    """`changed` is called, in threads of this module, after each change of a guest's life and
    after each connection, and `tend` every TEND_SECONDS; for ever, however often libvirtd goes and
    comes back."""
    _start_loop()
    thread = threading.Thread(
        target=_keep_watching, args=(uri, changed, tend), name=f"watch {uri}", daemon=True
    )
    thread.start()
    return thread


def _start_loop() -> None:
    """libvirt wants its event loop registered before the first connection is opened."""
    global _loop
    with _loop_started:
        if _loop:
            return
        libvirt.virEventRegisterDefaultImpl()
        libvirt.registerErrorHandler(lambda *_: None, None)
        _loop = threading.Thread(target=_run_loop, name="libvirt events", daemon=True)
        _loop.start()


def _run_loop() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def _keep_watching(
    uri: str, changed: Callable[[], None], tend: Callable[[libvirt.virConnect], None]
) -> None:
    pause = threading.Event()
    while True:
        closed = threading.Event()
        try:
            connection = libvirt.open(uri)
            connection.registerCloseCallback(lambda *_, closed=closed: closed.set(), None)
            connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
            connection.domainEventRegisterAny(
                None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lambda *_: changed(), None
            )
        except libvirt.libvirtError:
            pause.wait(RECONNECT_SECONDS)
            continue
        changed()
        while not closed.wait(TEND_SECONDS):
            with contextlib.suppress(libvirt.libvirtError, OSError):  # the next time will do
                tend(connection)
