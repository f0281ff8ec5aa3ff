"""The portal by TLS, as clients see it that trust its authority and nothing else."""

import contextlib
import datetime
import hashlib
import socket
import ssl

import pytest
import requests

from portal import certificates, config
from portal.db import now
from portal.server import tls
from tests.programs import TOKENS, by_password
from tests.web import WebServer

NAMES = ["localhost", "127.0.0.1", "[::1]", "cloud.example.org"]
DAY = datetime.timedelta(days=1)


@pytest.fixture
def shown(tmp_path):
    """A certificate of a new installation's own."""
    return certificates.ensure(tmp_path, NAMES, now=now())


@pytest.fixture
def serve(cloud, tmp_path):
    """Starts the web process by TLS."""
    started = []

    def serve(**settings):
        directory = config.current().data_directory
        certificates.ensure(directory, NAMES, now=now())
        web = WebServer(tmp_path, certificate=certificates.shown_by(directory), **settings)
        started.append(web)
        web.wait()
        return web

    yield serve
    for web in started:
        web.stop()
        assert "Traceback" not in web.log, web.log


def test_a_certificate_is_for_all_names_and_its_key_is_its_owners_alone(shown):
    assert (shown.names, shown.own) == (NAMES, True)
    assert len(shown.fingerprint) == 32 * 3 - 1
    for path in (shown.path, certificates.authority_of(shown.path.parents[1]).with_suffix(".key")):
        assert path.stat().st_mode & 0o777 == 0o600
    ssl.create_default_context().load_cert_chain(shown.path)


def test_the_same_certificate_is_shown_every_day_until_it_is_about_to_end(shown, tmp_path):
    authority = certificates.authority_of(tmp_path).read_bytes()
    assert certificates.ensure(tmp_path, NAMES, now=now() + 300 * DAY) == shown
    certificates.renew(tmp_path, now=now() + 360 * DAY)
    assert certificates.read(tmp_path) == shown
    certificates.renew(tmp_path, now=now() + 370 * DAY)
    renewed = certificates.read(tmp_path)
    assert renewed.ends_at > shown.ends_at + 300 * DAY
    assert (renewed.names, renewed.own) == (NAMES, True)
    assert certificates.authority_of(tmp_path).read_bytes() == authority


def test_another_name_is_another_certificate_under_the_same_authority(shown, tmp_path):
    authority = certificates.authority_of(tmp_path).read_bytes()
    other = certificates.ensure(tmp_path, [*NAMES, "portal.lan"], now=now())
    assert (other.names[-1], other.fingerprint != shown.fingerprint) == ("portal.lan", True)
    assert certificates.authority_of(tmp_path).read_bytes() == authority


def test_a_given_certificate_is_kept_whatever_its_names_and_its_end(shown, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    given = certificates.ensure(elsewhere, ["given.example.org"], now=now()).path.read_bytes()
    shown.path.write_bytes(given)
    kept = certificates.ensure(tmp_path, NAMES, now=now() + 400 * DAY)
    certificates.renew(tmp_path, now=now() + 400 * DAY)
    assert (kept.names, kept.own) == (["given.example.org"], False)
    assert shown.path.read_bytes() == given


def test_one_that_was_renewed_is_shown_to_whoever_comes_next(tmp_path):
    first = certificates.ensure(tmp_path, NAMES, now=now() - 380 * DAY)

    def context() -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(first.path)
        return made

    front = tls.Front(context, renew=lambda: certificates.renew(tmp_path, now=now()))
    trust = ssl.create_default_context(cafile=certificates.authority_of(tmp_path))

    def shown() -> str:
        ours, theirs = socket.socketpair()
        inside = front.carry(theirs)
        with inside, trust.wrap_socket(ours, server_hostname="localhost") as stream:
            return hashlib.sha256(stream.getpeercert(binary_form=True)).hexdigest()

    assert shown() == first.fingerprint.replace(":", "").lower()
    front.look().result(20)
    renewed = certificates.read(tmp_path).fingerprint
    assert renewed != first.fingerprint
    assert shown() == renewed.replace(":", "").lower()


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00\x01"])
def test_a_client_that_the_server_gives_up_is_gone_before_it_has_said_who_it_is(tmp_path, said):
    path = certificates.ensure(tmp_path, NAMES, now=now()).path
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    front = tls.Front(lambda: context, renew=lambda: None)
    ours, theirs = socket.socketpair()
    ours.settimeout(tls.PATIENCE_SECONDS / 2)
    with ours, front.carry(theirs) as inside:
        ours.sendall(said)
        inside.close()
        with contextlib.suppress(ConnectionResetError):
            assert ours.recv(1) == b""


def test_pages_and_api_are_served_to_who_trusts_the_authority_alone(serve):
    web = serve(secure_cookies=True)
    page = requests.get(f"{web.url}/login", verify=web.authority, timeout=20)
    assert page.status_code == 200
    [cookie] = page.headers["Set-Cookie"].split(";")[:1]
    assert cookie.startswith("__Host-portico=")
    assert "Secure" in page.headers["Set-Cookie"]
    found = requests.get(f"{web.url}/identity/v3", verify=web.authority, timeout=20).json()
    assert found["version"]["links"][0]["href"].startswith(f"{web.url}/identity/")
    body = by_password("alice", "red")
    token = requests.post(web.url + TOKENS, json=body, verify=web.authority, timeout=20).json()
    urls = {each["url"] for entry in token["token"]["catalog"] for each in entry["endpoints"]}
    assert urls
    assert all(each.startswith(f"{web.url}/") for each in urls)
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(web.url, timeout=20)


def test_a_screen_reaches_a_browser_that_signed_in_by_tls(serve, cloud):
    cloud.show_screens()
    instance = cloud.running()
    web = serve(secure_cookies=True)
    bob, console = web.sign_in("bob"), f"/projects/{instance.project_id}/instances/{instance.id}"
    page = bob.get(f"{console}/console")
    assert f"wss://127.0.0.1:{web.port}" in page.headers["Content-Security-Policy"]
    ticket = bob.post(f"{console}/console/ticket", page=f"{console}/console").text
    stream = bob.web_socket(f"{console}/console/socket", ["binary", f"ticket.{ticket}"])
    assert stream.status == 101
    assert stream.receive() == b"RFB 003.008\n"
    stream.send(b"RFB 003.008\n")
    assert stream.receive() == b"\x01\x01"
    stream.close()


def test_whoever_asks_in_the_clear_is_sent_to_https(serve):
    web = serve()
    answer = requests.get(
        f"http://127.0.0.1:{web.port}/login?next=/", allow_redirects=False, timeout=20
    )
    assert (answer.status_code, answer.text.strip()) == (308, tls.ELSEWHERE)
    assert answer.headers["Location"] == f"{web.url}/login?next=/"
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as stream:
        stream.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        assert stream.makefile("rb").read().startswith(b"HTTP/1.1 400 ")


def test_what_is_large_comes_and_goes_whole(serve):
    web = serve()
    script = requests.get(
        f"{web.url}/static/vendor/novnc.js",
        verify=web.authority,
        headers={"Accept-Encoding": "identity"},
        timeout=20,
    )
    assert len(script.content) == int(script.headers["Content-Length"]) > 100_000
    large = {"name": "x" * 900_000}
    answer = requests.post(f"{web.url}/login", data=large, verify=web.authority, timeout=20)
    assert answer.status_code in (400, 403)
    larger = requests.post(
        f"{web.url}/login", data=b"x" * 3_000_000, verify=web.authority, timeout=20
    )
    assert larger.status_code == 413


def test_the_address_in_the_record_is_the_clients(serve, cloud):
    web = serve()
    body = by_password("alice", "red", "wrong")
    answer = requests.post(web.url + TOKENS, json=body, verify=web.authority, timeout=20)
    assert answer.status_code == 401
    assert "127.0.0.1 - - " in web.log


def test_a_connection_serves_several_requests_and_old_versions_of_tls_none(serve):
    web = serve()
    with requests.Session() as client:
        for _ in range(3):
            answer = client.get(f"{web.url}/healthz", verify=web.authority, timeout=20)
            assert answer.text.strip() == "ok"
    context = ssl.create_default_context(cafile=web.authority)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", web.port), timeout=20) as stream,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(stream, server_hostname="127.0.0.1")
