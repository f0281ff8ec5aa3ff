"""Somebody else who empties the kernel's tables: noticed at once, and mended.

A firewall's own service begins with `flush ruleset`, which takes our tables with it. The kernel
tells of every change (NFNLGRP_NFTABLES, linux/netfilter/nfnetlink.h), so that what guests must not
do is possible for some thousandths of a second, and not until somebody looks.
"""

import errno
import logging
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


def watch(mend: Callable[[], None]) -> threading.Thread:
    """From now on `mend` is called whenever anything was taken from a table in the network
    namespace of the caller, from a thread of its own."""
    ear = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
    ear.bind((0, 0))
    ear.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
    thread = threading.Thread(target=_watch, args=(ear, mend), name="sentry", daemon=True)
    thread.start()
    return thread


def _watch(ear: socket.socket, mend: Callable[[], None]) -> None:
    with ear:
        while True:
            if not _taken(ear):
                continue
            try:
                mend()
            except (
                OSError,
                RuntimeError,
                subprocess.SubprocessError,
            ) as error:  # whatever it was, the next change is answered again
                log.warning("the filter could not be mended: %s", error)
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
