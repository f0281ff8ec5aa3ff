"""Somebody else who empties the kernel's tables: noticed at once, and mended.

A firewall's own service begins with `flush ruleset`, which takes our tables with it. The kernel
tells of every change (NFNLGRP_NFTABLES, linux/netfilter/nfnetlink.h), so that what guests must not
do is possible for some thousandths of a second, and not until somebody looks.
"""

import errno
import logging
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

NETLINK_NETFILTER, NFNLGRP_NFTABLES = 12, 7
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
TAKEN_AWAY = {2, 5, 8, 11}  # a table, a chain, a rule, a set: linux/netfilter/nf_tables.h
HEADER = struct.Struct("=IHHII")  # netlink(7)
AGAIN_SECONDS = 0.2  # between two looks, should somebody change tables all the time

log = logging.getLogger(__name__)


class Sentry:
    """Calls `mend` whenever anything was taken from a table in the network namespace of whoever
    made it, from a thread of its own."""

    def __init__(self, mend: Callable[[], None]):
        self._mend = mend
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._ear = socket.socket(socket.AF_NETLINK, kind, NETLINK_NETFILTER)
        self._ear.bind((0, 0))
        self._ear.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
        self._end, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._watch, name="sentry", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Nobody watches any more."""
        self._end.close()
        self._thread.join()
        self._ear.close()
        self._ended.close()

    def _watch(self) -> None:
        while True:
            heard, _, _ = select.select([self._ear, self._ended], [], [])
            if self._ended in heard:
                return
            if not _taken(self._ear):
                continue
            try:
                self._mend()
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                log.warning("the filter could not be mended: %s", error)  # the next change tries
            time.sleep(AGAIN_SECONDS)


def _taken(ear: socket.socket) -> bool:
    """Whether the messages that come next say that something was taken away."""
    try:
        return any(kind in TAKEN_AWAY for kind in _kinds(ear.recv(1 << 20)))
    except OSError as error:
        if error.errno == errno.ENOBUFS:  # there were more than fit: it may have been among them
            return True
        raise


def _kinds(data: bytes) -> Iterator[int]:
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, *_ = HEADER.unpack_from(data, at)
        if kind >> 8 == SUBSYSTEM:
            yield kind & 0xFF
        at += max(HEADER.size, length + 3 & ~3)
