"""A host shows a guest's screen to whoever holds a call sealed for it, and to nobody else."""

import grp
import os
import select
import socket
import stat
import threading
import time
import uuid

import pytest
from cryptography.fernet import Fernet

from tests.workers.conftest import wait_until
from workers import consoles, specs
from workers.config import HostConfig
from workers.drivers.fake import FakeHost
from workers.errors import Rejected

KEY, FOREIGN = Fernet.generate_key(), Fernet.generate_key()
GUEST = str(uuid.uuid4())
SECONDS = 10  # patience of a test


@pytest.fixture
def config(tmp_path):
    FakeHost(tmp_path).put("guest", GUEST, {"power": "running", "boots": 1})
    return HostConfig(
        name="kvm-1",
        key=KEY.decode(),
        redis_url="",
        state_directory=tmp_path,
        runtime_directory=tmp_path / "run",
        driver="fake",
    )


@pytest.fixture
def call(config):
    """Sends a first line to the agent and gives the stream and what was answered."""
    consoles.serve(config)
    opened = []

    def call(line: bytes) -> tuple[socket.socket, bytes]:
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(SECONDS)
        stream.connect(str(config.runtime_directory / "agent.sock"))
        opened.append(stream)
        stream.sendall(line)
        return stream, stream.makefile("rb", buffering=0).readline()

    yield call
    for stream in opened:
        stream.close()


def sealed(key: bytes = KEY, **changes) -> bytes:
    message = {
        "host": "kvm-1",
        "instance_id": GUEST,
        "nonce": uuid.uuid4().hex,
        "not_after": time.time() + 30,
    } | changes
    return Fernet(key).encrypt(specs.pack(message)) + b"\n"


def test_whoever_holds_a_call_sees_the_screen(call):
    stream, said = call(sealed())
    assert said == consoles.OK
    assert stream.recv(64) == b"RFB 003.008\n"


JOB = {"version": 1, "job": "hosts.observe", "host": "kvm-1", "id": "x", "not_after": 9e9}


@pytest.mark.parametrize(
    "line",
    [
        sealed(FOREIGN),
        sealed(host="kvm-2"),
        sealed(not_after=time.time() - 1),
        sealed(instance_id="../../etc/passwd"),
        sealed(more="x"),
        Fernet(KEY).encrypt(specs.pack(JOB)) + b"\n",
        Fernet(KEY).encrypt_at_time(Fernet(KEY).decrypt(sealed()[:-1]), int(time.time()) - 60)
        + b"\n",
        sealed()[:-9] + b"AAAAAAAA\n",
        b"RFB 003.008\n",
        b"\n",
        sealed() + b"more",
        b"x" * (consoles.LINE_BYTES + 1),
    ],
    ids=[
        "foreign key",
        "another host",
        "run out",
        "no instance",
        "something unknown",
        "a job",
        "from before the agent began",
        "altered",
        "not sealed",
        "empty",
        "more than a line",
        "too long",
    ],
)
def test_any_other_call_is_refused(line, call):
    stream, said = call(line)
    assert said == consoles.REFUSED
    assert stream.recv(1) == b""


def test_a_call_is_good_once(call):
    line = sealed()
    assert call(line)[1] == consoles.OK
    assert call(line)[1] == consoles.REFUSED


def test_a_guest_that_is_off_has_no_screen(call, config):
    FakeHost(config.state_directory).put("guest", GUEST, {"power": "stopped", "boots": 1})
    stream, said = call(sealed())
    assert said == consoles.NO_SCREEN
    assert stream.recv(1) == b""


def test_the_socket_is_its_owners_alone_unless_a_group_is_named(config):
    path = config.runtime_directory / "agent.sock"
    consoles.listen(config).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    group = grp.getgrgid(os.getgid())
    named = HostConfig(**{**vars(config), "console_group": group.gr_name})
    consoles.listen(named).close()
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) == (0o660, group.gr_gid)


@pytest.mark.parametrize("taken", [False, True])
def test_a_socket_that_is_gone_is_made_again(config, taken):
    """Seen: another installation's agent took its place, and all consoles were dead."""
    screens = consoles.serve(config)
    path = config.runtime_directory / "agent.sock"
    path.unlink()
    if taken:
        path.touch()
    screens.ensure()
    first = path.stat()
    screens.ensure()
    assert os.path.samestat(path.stat(), first), "what is there is left alone"
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(SECONDS)
    stream.connect(str(path))
    stream.sendall(sealed())
    with stream, stream.makefile("rb", buffering=0) as answer:
        assert answer.readline() == consoles.OK


def test_fake_hosts_have_sockets_of_their_own(tmp_path):
    fields = {"name": "kvm-1", "key": "", "redis_url": ""}
    deep = tmp_path / ("x" * 90)
    states = [tmp_path / "a", tmp_path / "b", deep / "a", deep / "b"]
    fakes = [HostConfig(**fields, driver="fake", state_directory=each) for each in states]
    real = HostConfig(**fields, state_directory=tmp_path)
    assert len({each.consoles for each in (*fakes, real)}) == 5
    assert all(len(each.consoles.removeprefix("unix://")) < 108 for each in fakes)


@pytest.fixture
def streams():
    """Two sockets whose other ends are copied to each other, and the thread that does it."""
    (ours, one), (theirs, other) = socket.socketpair(), socket.socketpair()

    def copy():
        with one, other:
            consoles.copy(one, other)

    thread = threading.Thread(target=copy)
    thread.start()
    for stream in (ours, theirs):
        stream.settimeout(SECONDS)
    yield ours, theirs, thread
    ours.close()
    theirs.close()
    thread.join(SECONDS)
    assert not thread.is_alive()


def test_bytes_are_copied_both_ways_and_none_is_lost(streams):
    ours, theirs, _ = streams
    wide = os.urandom(3_000_000)
    sender = threading.Thread(target=lambda: (ours.sendall(wide), ours.close()))
    sender.start()
    theirs.sendall(b"a key")
    assert ours.recv(16) == b"a key"
    arrived = b"".join(iter(lambda: theirs.recv(65_536), b""))
    sender.join()
    assert arrived == wide


def test_whoever_reads_slowly_is_waited_for_and_holds_up_nobody_else(streams):
    ours, theirs, _ = streams
    ours.setblocking(False)
    sent = 0
    while select.select([], [ours], [], 0.5)[1]:
        sent += ours.send(b"x" * 65_536)
    buffers = sum(
        each.getsockopt(socket.SOL_SOCKET, option)
        for each in (ours, theirs)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF)
    )
    assert sent < 2 * buffers + 2 * consoles.CHUNK_BYTES
    theirs.sendall(b"a key")
    ours.settimeout(SECONDS)
    assert ours.recv(16) == b"a key"
    taken = 0
    while taken < sent:
        taken += len(theirs.recv(65_536))


def test_when_one_end_goes_the_other_is_told(streams):
    ours, theirs, thread = streams
    theirs.close()
    assert ours.recv(1) == b""
    wait_until(lambda: not thread.is_alive(), seconds=SECONDS)


@pytest.mark.parametrize("hours", [1, -1])
def test_screens_are_shown_though_somebody_sets_the_clock_and_no_call_twice(
    config, monkeypatch, hours
):
    """Seen: an hour back, every call was older than the agent, for an hour."""
    calls, used = consoles.Calls(config), sealed().strip()
    assert calls.open(used) == GUEST
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + hours * 3600)
    assert calls.open(sealed().strip()) == GUEST
    with pytest.raises(Rejected):
        calls.open(used)
