"""An address shows the screen of a server to whoever opens it, once."""

import pytest
from playwright.sync_api import expect, sync_playwright
from sqlalchemy import select

from portal.db import session, transaction
from portal.errors import Forbidden
from portal.models import Activity, Token
from portal.services import consoles, instances, sessions
from tests.api.compute.test_servers import act, running
from tests.api.shapes import assert_fault
from tests.web import WebServer, WebSocket

VNC = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
VERSION = {"headers": {"OpenStack-API-Version": "compute 2.6"}}
ORIGIN = "http://localhost"
BANNER = b"RFB 003.008\n"


@pytest.fixture
def path(cloud, alice):
    return running(cloud, alice)


def url_of(program, path: str, **more) -> str:
    answer = program.post(f"{path}/remote-consoles", VNC, **VERSION | more)
    assert answer.status_code == 200, answer.text
    told = answer.json["remote_console"]
    assert (told["protocol"], told["type"]) == ("vnc", "novnc")
    return told["url"]


def ticket_of(url: str) -> str:
    page, _, ticket = url.partition("#")
    assert page.endswith("/screen")
    assert len(ticket) * 6 >= 256
    return ticket


def test_an_address_opens_the_screen_of_its_server_once(path, program):
    ticket = ticket_of(url_of(program("bob", "red"), path))
    actor, instance, _ = consoles.admit_bearer(ticket, origin=ORIGIN)
    assert (actor.user_name, str(instance.id)) == ("bob", path.rpartition("/")[2])
    with pytest.raises(Forbidden):
        consoles.admit_bearer(ticket, origin=ORIGIN)


def test_an_address_is_too_old_after_two_minutes(path, alice, cloud):
    young, old = (ticket_of(url_of(alice, path)) for _ in range(2))
    cloud.clock.forward(seconds=119)
    assert consoles.admit_bearer(young, origin=ORIGIN)
    cloud.clock.forward(seconds=2)
    with pytest.raises(Forbidden):
        consoles.admit_bearer(old, origin=ORIGIN)


def test_an_address_is_of_no_use_on_another_site(path, alice):
    with pytest.raises(Forbidden):
        consoles.admit_bearer(ticket_of(url_of(alice, path)), origin="https://evil.example")


def test_the_tickets_of_pages_and_of_programs_are_not_taken_for_each_other(path, alice, cloud):
    actor, project_id = cloud.actor("alice"), cloud.project("red").id
    instance_id = instances.find(actor, project_id, "web").id
    where = {"session_id": cloud.project("red").id, "origin": ORIGIN}
    of_page = consoles.ticket(actor, project_id, instance_id, **where)
    with pytest.raises(Forbidden):
        consoles.admit_bearer(of_page, origin=ORIGIN)
    with pytest.raises(Forbidden):
        consoles.admit(actor, project_id, instance_id, ticket_of(url_of(alice, path)), **where)


def test_the_older_way_leads_there_too_as_long_as_it_is_there(path, alice):
    told = act(alice, path, **{"os-getVNCConsole": {"type": "novnc"}}).json["console"]
    assert told["type"] == "novnc"
    assert consoles.admit_bearer(ticket_of(told["url"]), origin=ORIGIN)
    later = alice.post(f"{path}/action", {"os-getVNCConsole": {"type": "novnc"}}, **VERSION)
    assert_fault(later, 404)
    assert_fault(alice.post(f"{path}/remote-consoles", VNC), 404)


@pytest.mark.parametrize(
    ("console", "status"),
    [
        ({"protocol": "spice", "type": "spice-html5"}, 400),
        ({"protocol": "vnc", "type": "xvpvnc"}, 400),
        ({"protocol": "vnc", "type": "film"}, 400),
        ({"protocol": "vnc"}, 400),
    ],
)
def test_other_screens_than_there_are_are_refused(path, alice, console, status):
    answer = alice.post(f"{path}/remote-consoles", {"remote_console": console}, **VERSION)
    assert_fault(answer, status)


def test_what_is_off_has_no_screen(path, alice, cloud):
    act(alice, path, **{"os-stop": None})
    cloud.settle()
    assert_fault(alice.post(f"{path}/remote-consoles", VNC, **VERSION), 409)


def test_readers_get_no_address(path, program):
    assert_fault(program("rita", "red").post(f"{path}/remote-consoles", VNC, **VERSION), 403)


def test_a_screen_closes_when_its_token_ends(path, alice, cloud):
    ticket = ticket_of(url_of(alice, path))
    _, instance, token_id = consoles.admit_bearer(ticket, origin=ORIGIN)
    place = token_id, instance.project_id, instance.id
    assert consoles.reason_to_close_to_bearer(*place) == ""
    unused = ticket_of(url_of(alice, path))
    sessions.sign_out_everywhere(cloud.actor("alice"))
    assert "has ended" in consoles.reason_to_close_to_bearer(*place)
    with pytest.raises(Forbidden, match="has ended"):
        consoles.admit_bearer(unused, origin=ORIGIN)


def test_a_screen_closes_when_its_server_is_off(path, alice, cloud):
    _, instance, token_id = consoles.admit_bearer(ticket_of(url_of(alice, path)), origin=ORIGIN)
    place = token_id, instance.project_id, instance.id
    act(alice, path, **{"os-stop": None})
    cloud.settle()
    assert consoles.reason_to_close_to_bearer(*place) == "The instance is off."


@pytest.fixture
def web(cloud, tmp_path):
    cloud.show_screens()
    server = WebServer(tmp_path)
    server.wait()
    yield server
    server.stop()
    assert "Traceback" not in server.log


def test_the_socket_needs_a_ticket_and_no_cookie_and_no_log_holds_it(web, path, alice):
    ticket = ticket_of(url_of(alice, path, base_url=web.url))

    def opened(origin: str = web.url, ticket: str = ticket) -> WebSocket:
        headers = {"Sec-WebSocket-Protocol": f"binary, ticket.{ticket}", "Origin": origin}
        return WebSocket(web.port, "/screen/socket", headers)

    stream = opened()
    assert (stream.status, stream.receive()) == (101, BANNER)
    assert opened().status == 403
    assert opened(ticket="none").status == 403
    stream.close()
    assert "/screen/socket" in web.log
    assert ticket not in web.log
    session.rollback()
    [entry] = session.scalars(select(Activity).where(Activity.action == consoles.OPENED))
    assert entry.user_name == "alice"


def test_an_open_screen_closes_soon_after_its_token_has_ended(web, path, alice):
    ticket = ticket_of(url_of(alice, path, base_url=web.url))
    headers = {"Sec-WebSocket-Protocol": f"binary, ticket.{ticket}", "Origin": web.url}
    stream = WebSocket(web.port, "/screen/socket", headers)
    assert stream.receive() == BANNER
    with transaction():
        session.query(Token).delete()
    while isinstance(said := stream.receive(), bytes):
        pass
    assert said[1] == "The token by which this screen was asked for has ended."
    stream.close()


def test_the_page_of_an_address_needs_nobody_signed_in(app):
    page = app.test_client().get("/screen")
    assert page.status_code == 200
    assert "Set-Cookie" not in page.headers
    assert "connect-src 'self' ws://localhost;" in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "needs scripts" in page.text


@pytest.mark.browser
def test_a_browser_that_knows_nobody_shows_the_screen_once(web, path, alice):
    url = url_of(alice, path, base_url=web.url)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        complaints = []
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        expect(page.locator("[data-state=connected]")).to_be_visible(timeout=20_000)
        assert page.url == f"{web.url}/screen"  # nothing is left of the ticket
        again = browser.new_page()
        again.goto(url)
        expect(again.locator("[data-reason]")).to_contain_text("good once", timeout=20_000)
        browser.close()
    assert not complaints
