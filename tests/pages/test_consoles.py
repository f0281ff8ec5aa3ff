"""A screen is shown to whoever may see it, for as long as they may."""

import re
import time

import pytest
from sqlalchemy import delete, select

from portal import config
from portal.db import session, transaction
from portal.errors import Conflict, Forbidden, NotFound, TooMany
from portal.models import Activity, RoleAssignment, User
from portal.services import consoles, instances, sessions
from tests.web import WebServer

ORIGIN = "http://127.0.0.1:8080"
BANNER = b"RFB 003.008\n"
CLOSED_WITHIN_SECONDS = 5


@pytest.fixture
def instance(cloud):
    return cloud.running("web")


@pytest.fixture
def signed_in(cloud):
    """Opens a session: `signed_in("alice")` is the actor and the session's id."""

    def open_session(name: str):
        user = session.get_one(User, cloud.actor(name).user_id)
        secret = sessions.open_session(user, address="", user_agent="")
        return cloud.actor(name), sessions.find(secret).id

    return open_session


class TestTickets:
    """The rules of a ticket, with a clock that can be moved."""

    @pytest.fixture
    def mint(self, instance):
        def mint(who, *, origin=ORIGIN, of=instance):
            actor, session_id = who
            return consoles.ticket(
                actor, of.project_id, of.id, session_id=session_id, origin=origin
            )

        return mint

    @pytest.fixture
    def admit(self, instance):
        def admit(who, ticket, *, origin=ORIGIN, to=instance):
            actor, session_id = who
            return consoles.admit(
                actor, to.project_id, to.id, ticket, session_id=session_id, origin=origin
            )

        return admit

    def test_opens_its_instance_once(self, mint, admit, signed_in, instance):
        alice = signed_in("alice")
        ticket = mint(alice)
        assert len(ticket) * 6 >= 256
        assert admit(alice, ticket).id == instance.id
        with pytest.raises(Forbidden):
            admit(alice, ticket)

    def test_is_too_old_after_half_a_minute(self, mint, admit, signed_in, cloud):
        alice = signed_in("alice")
        young, old = mint(alice), mint(alice)
        cloud.clock.forward(seconds=29)
        assert admit(alice, young)
        cloud.clock.forward(seconds=2)
        with pytest.raises(Forbidden):
            admit(alice, old)

    def test_is_forgotten_by_redis_too(self, mint, signed_in, cloud):
        mint(signed_in("alice"))
        [key] = cloud.redis.keys("portico:ticket:*")
        assert 0 < cloud.redis.ttl(key) <= 30

    def test_is_not_in_redis_itself(self, mint, signed_in, cloud):
        ticket = mint(signed_in("alice"))
        kept = [key + cloud.redis.get(key) for key in cloud.redis.keys("portico:ticket:*")]
        assert len(kept) == 1
        assert ticket.encode() not in kept[0]

    def test_is_of_no_use_to_another_person(self, mint, admit, signed_in):
        with pytest.raises(Forbidden):
            admit(signed_in("bob"), mint(signed_in("alice")))

    def test_is_of_no_use_in_another_session(self, mint, admit, signed_in):
        with pytest.raises(Forbidden):
            admit(signed_in("alice"), mint(signed_in("alice")))

    def test_is_of_no_use_on_another_site(self, mint, admit, signed_in):
        alice = signed_in("alice")
        with pytest.raises(Forbidden):
            admit(alice, mint(alice), origin="https://evil.example")

    def test_is_of_no_use_for_another_instance(self, mint, admit, signed_in, cloud):
        alice = signed_in("alice")
        with pytest.raises(Forbidden):
            admit(alice, mint(alice), to=cloud.running("other"))

    def test_that_was_tried_wrongly_is_used_up(self, mint, admit, signed_in):
        alice = signed_in("alice")
        ticket = mint(alice)
        with pytest.raises(Forbidden):
            admit(signed_in("bob"), ticket)
        with pytest.raises(Forbidden):
            admit(alice, ticket)

    def test_is_not_given_to_readers_nor_strangers(self, mint, signed_in):
        with pytest.raises(Forbidden):
            mint(signed_in("rita"))
        with pytest.raises(NotFound):
            mint(signed_in("charlie"))

    def test_is_not_given_for_a_guest_that_is_off(self, mint, signed_in, instance, cloud):
        instances.force_stop(cloud.actor("alice"), instance.project_id, instance.id)
        cloud.settle()
        with pytest.raises(Conflict, match="web is stopped"):
            mint(signed_in("alice"))

    def test_is_given_thirty_times_a_minute_to_one_person(self, mint, signed_in):
        alice = signed_in("alice")
        for _ in range(consoles.TICKETS_PER_MINUTE):
            mint(alice)
        with pytest.raises(TooMany):
            mint(alice)
        assert mint(signed_in("bob"))


@pytest.fixture
def screens(cloud):
    """The socket at which the agent of kvm-1 shows screens."""
    return cloud.show_screens()


@pytest.fixture
def web(cloud, screens, tmp_path):
    """The web process; at most two consoles at a time."""
    server = WebServer(tmp_path, consoles_at_once=2)
    server.wait()
    yield server
    server.stop()
    assert "Traceback" not in server.log


@pytest.fixture
def console(instance, red):
    return f"{red}/instances/{instance.id}/console"


@pytest.fixture
def open_console(web, console):
    """Opens the console as its page's script does; the ticket is kept in `tickets`."""
    opened = []

    def open_(person, **more):
        answer = person.post(f"{console}/ticket", page=console)
        assert answer.status_code == 200, answer.text
        protocols = ["binary", f"ticket.{answer.text}"]
        stream = person.web_socket(f"{console}/socket", protocols, **more)
        stream.ticket = answer.text
        opened.append(stream)
        return stream

    yield open_
    for stream in opened:
        stream.close()


def test_a_screen_reaches_the_browser_and_that_is_in_the_record(web, open_console, instance):
    stream = open_console(web.sign_in("bob"))
    assert (stream.status, stream.headers["Sec-WebSocket-Protocol"]) == (101, "binary")
    assert stream.receive() == BANNER
    stream.send(BANNER)
    assert stream.receive() == b"\x01\x01"  # one kind of security: none
    stream.send(b"\x01")
    stream.send(b"\x01")
    greeting = b""
    while b"A fake guest" not in greeting:
        greeting += stream.receive()
    stream.send(b"\x03\x00" + bytes(4) + b"\x01\x40\x00\xc8")  # the whole picture
    picture = b""
    while len(picture) < 320 * 200 * 4 + 16:
        picture += stream.receive()
    assert picture[:2] == b"\x00\x00"
    session.rollback()
    [entry] = session.scalars(select(Activity).where(Activity.action == "instances:console"))
    assert (entry.user_name, entry.target_id) == ("bob", instance.id)


def test_nothing_else_opens_a_console_and_no_log_holds_a_ticket(web, open_console, console):
    bob = web.sign_in("bob")
    ticket = open_console(bob).ticket
    socket_path, protocols = f"{console}/socket", ["binary", f"ticket.{ticket}"]
    assert bob.web_socket(socket_path, protocols).status == 403  # it is used
    assert bob.web_socket(socket_path, ["binary"]).status == 403
    for origin in ("https://evil.example", "", "null"):
        assert open_console(bob, origin=origin).status == 403
    assert "console/ticket" in web.log  # the log is written
    assert ticket not in web.log


def test_readers_get_neither_page_nor_ticket(sign_in, console):
    rita = sign_in("rita")
    assert rita.open(console).status_code == 403
    assert rita.send(f"{console}/ticket", page="/account/password").status_code == 403


def ends(stream) -> tuple[tuple[int, str], float]:
    """How and after how many seconds the stream is closed."""
    began = time.monotonic()
    while isinstance(said := stream.receive(), bytes):
        pass
    return said, time.monotonic() - began


def test_an_open_console_closes_when_its_session_is_ended_elsewhere(web, open_console, cloud):
    stream = open_console(web.sign_in("bob"))
    assert stream.receive() == BANNER
    with transaction():
        sessions.revoke_all(cloud.actor("bob").user_id)
    (_, said), seconds = ends(stream)
    assert said == "Your session has ended."
    assert seconds < CLOSED_WITHIN_SECONDS


def sign_out_bob(cloud, instance):
    sessions.sign_out_everywhere(cloud.actor("bob"))


def disable_bob(cloud, instance):
    with transaction():
        session.get_one(User, cloud.actor("bob").user_id).enabled = False


def take_bobs_role(cloud, instance):
    with transaction():
        mine = RoleAssignment.user_id == cloud.actor("bob").user_id
        session.execute(delete(RoleAssignment).where(mine))


def delete_the_instance(cloud, instance):
    cloud.silent.add("kvm-1")
    instances.delete(cloud.actor("alice"), instance.project_id, instance.id)


def stop_the_instance(cloud, instance):
    instances.force_stop(cloud.actor("alice"), instance.project_id, instance.id)
    cloud.settle()


def leave_the_session_alone(cloud, instance):
    cloud.clock.forward(hours=2, minutes=1)


@pytest.mark.parametrize(
    ("happening", "reason"),
    [
        (sign_out_bob, "Your session has ended."),
        (leave_the_session_alone, "Your session has ended."),
        (disable_bob, "Your session has ended."),
        (take_bobs_role, "Your role no longer allows it."),
        (delete_the_instance, "The instance was deleted."),
        (stop_the_instance, "The instance is off."),
    ],
)
def test_there_is_a_reason_to_close(happening, reason, signed_in, cloud, instance):
    place = signed_in("bob")[1], instance.project_id, instance.id
    assert consoles.reason_to_close(*place) == ""
    happening(cloud, instance)
    assert consoles.reason_to_close(*place) == reason


def test_why_there_is_no_screen_is_told(web, open_console, screens):
    screens.unlink()
    said, _ = ends(open_console(web.sign_in("bob")))
    assert said == (4000, "The host's agent cannot be reached: No such file or directory.")


def test_as_many_consoles_as_are_allowed_are_open_at_a_time(web, open_console, console):
    bob = web.sign_in("bob")
    first, second = open_console(bob), open_console(bob)
    assert first.receive() == second.receive() == BANNER
    refused = bob.post(f"{console}/ticket", page=console)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")
    assert "As many consoles are open" in refused.text
    first.close()
    deadline = time.monotonic() + CLOSED_WITHIN_SECONDS
    while bob.post(f"{console}/ticket", page=console).status_code != 200:
        assert time.monotonic() < deadline, "its place was not given free"


def test_the_web_process_does_not_wait_for_consoles_to_end(web, open_console):
    stream = open_console(web.sign_in("bob"))
    assert stream.receive() == BANNER
    web.process.terminate()
    assert ends(stream)[0] == (1001, "The portal is being restarted.")
    web.process.wait(15)  # gunicorn would wait for a request for 30 s


def test_another_handshake_than_of_version_13_is_answered_as_the_protocol_has_it(web, open_console):
    bob = web.sign_in("bob")
    refused = open_console(bob, version="12")
    assert (refused.status, refused.headers["Sec-WebSocket-Version"]) == (426, "13")
    for key in ("short", "\u00fc" * 22, "a" * 4000):
        assert open_console(bob, key=key).status == 400
    assert open_console(bob).receive() == BANNER


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"payload": b"\x03\xe8\xff\xfe", "opcode": 8}, 1007),
        ({"payload": b"\x03\xe8fine", "opcode": 8}, 1000),
        ({"payload": b"\x03", "opcode": 8}, 1002),
        ({"payload": b"\x03\xed", "opcode": 8}, 1002),  # 1005 is never sent
        ({"payload": b"", "opcode": 8}, 1005),
        ({"payload": b"x" * 200, "opcode": 9}, 1002),
        ({"payload": b"text", "opcode": 1}, 1003),
        ({"payload": b"more", "opcode": 0}, 1002),
        ({"payload": b"none", "opcode": 3}, 1002),
        ({"payload": b"none", "opcode": 15}, 1002),
    ],
)
def test_a_frame_that_should_not_be_ends_the_console_with_its_code(web, open_console, frame, code):
    """The log of `web` is looked at when it ends: nothing has raised."""
    stream = open_console(web.sign_in("bob"))
    assert stream.receive() == BANNER
    stream.send(**frame)
    assert ends(stream)[0][0] == code


def test_a_browser_that_declares_an_endless_message_is_cut_off(web, open_console):
    stream = open_console(web.sign_in("bob"))
    assert stream.receive() == BANNER
    stream.socket.settimeout(10)
    try:
        stream.send(b"x" * 3_000_000, declared=2**62)
    except (TimeoutError, ConnectionError):
        return
    assert isinstance(ends(stream)[0], tuple | None)


def test_the_page_may_connect_to_itself_and_nowhere_else(sign_in, console):
    page = sign_in("bob").open(console)
    policy = page.headers["Content-Security-Policy"]
    assert "connect-src 'self' ws://localhost;" in policy
    assert "unsafe" not in policy
    assert (
        "ws:"
        not in sign_in("bob")
        .open(console.removesuffix("/console"))
        .headers["Content-Security-Policy"]
    )


def test_without_scripts_the_page_says_so_and_leads_to_the_boot_log(sign_in, console):
    page = sign_in("bob").open(console).text
    [told] = re.findall(r"<noscript>(.*?)</noscript>", page, re.S)
    assert "needs scripts" in told
    assert console.replace("/console", "/log") in told


def test_the_button_is_there_while_there_is_a_screen(sign_in, console, instance, cloud):
    bob, place = sign_in("bob"), console.removesuffix("/console")
    assert f'class="button primary" href="{console}"' in bob.open(place).text
    assert console not in sign_in("rita").open(place).text
    instances.force_stop(cloud.actor("alice"), instance.project_id, instance.id)
    cloud.settle()
    assert f'class="button primary" href="{console}"' not in bob.open(place).text


def test_settings_keep_threads_for_pages():
    with pytest.raises(ValueError, match="web_threads"):
        config.read(None, {"PORTICO_WEB_THREADS": "20"})
