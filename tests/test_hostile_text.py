"""Whatever is written into whichever field of whichever form, the answer is an answer."""

import time

import pytest

from portal.db import session
from portal.models import Activity
from tests.pages.conftest import Browser
from tests.routes import FIELDS, Route, routes
from tests.services.user_data_texts import merges

pytestmark = pytest.mark.xdist_group("house")  # one worker furnishes it

TEXTS = {
    "nothing": "",
    "a NUL": "a\0b",
    "controls": "\x01\x1b[31m\x7f\x85",
    "a number beyond all": "9" * 30,
    "more digits than Python takes": "9" * 5000,
    "a negative number": "-9223372036854775809",
    "a number of 32 bits": "2147483648",
    "digits of another script": "\u0663\u0664",
    "what is no digit": "\u00b2",
    "a surrogate that was none": "\ufffd",
    "directions": "\u202e\u2066x",
    "one letter that is three": "\ufb03" * 255,
    "a letter that becomes eighteen": "\ufdfa" * 255,
    "a long line": "x" * 70_000,
    "patterns": "%_\\'\"; --",
    "templates": "{{7*7}}${7*7}{%",
    "a path": "../../../../etc/passwd\0",
    "an id": "00000000-0000-0000-0000-000000000000",
    "a strange id": "{00000000000000000000000000000000}",
    "a URL": "http://[::1",
    "YAML": merges(6),
    "JSON": '#cloud-config-jsonp\n{"a":' * 2000,
    "a range": "10.0.0.0/024",
    "a range of digits": "\u0661\u0660.0.0.0/8",
    "a date": "#cloud-config\na: 2024-02-30\n",
}
NAMES = (
    "again confirm count cidr current disk_gib flavor_id group_ids image_id key key_pair_id "
    "kept limit login_user look_again memory_mib min_disk_gib min_memory_mib name nat "
    "network_id new next password public_key published_as q reason role shortcuts state theme "
    "user_data user_name vcpus visibility"
)
BROAD = ("a NUL", "a number beyond all", "a long line", "a letter that becomes eighteen")


@pytest.fixture
def forms(house):
    """Every form there is."""
    return [route for route in routes(house.app) if route.method == "POST"]


def answers(house, route: Route, fields: dict) -> int:
    house.restore()
    browser = house.browser(route.visitor)
    path = route.path(house.app, house.red)
    return browser.send(path, fields, page="/account/sessions").status_code


@pytest.mark.parametrize("name", TEXTS)
def test_every_form_bears_whatever_is_written_into_all_its_fields(house, forms, name):
    text = TEXTS[name]
    broken = {
        route.name: status
        for route in forms
        if (status := answers(house, route, dict.fromkeys(NAMES.split(), text))) >= 500
    }
    assert not broken


@pytest.mark.parametrize("field", NAMES.split())
@pytest.mark.parametrize("name", BROAD)
def test_every_form_bears_whatever_is_written_into_one_of_its_fields(house, forms, field, name):
    creating = [each for each in forms if not each.things and each.endpoint.endswith(".create")]
    assert creating
    broken = {
        route.name: status
        for route in creating
        if (status := answers(house, route, FIELDS | {field: TEXTS[name]})) >= 500
    }
    assert not broken


@pytest.mark.parametrize("name", TEXTS)
def test_every_page_bears_whatever_is_asked_of_it(house, name):
    asked = dict.fromkeys(
        ("q", "sort", "page", "state", "next", *NAMES.split()), TEXTS[name][:2000]
    )
    broken = {}
    for route in routes(house.app):
        if route.method == "GET":
            browser = house.browser(route.visitor)
            path = route.path(house.app, house.red)
            answer = browser.client.get(path, query_string=asked)
            if answer.status_code >= 500:
                broken[route.name] = answer.status_code
    assert not broken


HEADERS = {
    "HX-Current-URL": ["http://[::1", "http://[", "//", "\u20ac", "x" * 8000],
    "Cookie": ["portico=", "portico=a.b.c", "theme=\"<x>", "=;=;", "portico=" + "e" * 4000],
    "User-Agent": ["", "x" * 8000, "\u20ac"],
    "Origin": ["null", "http://[::1", "file://"],
    "Content-Type": ["multipart/form-data", "multipart/form-data; boundary=", "x" * 4000,
                     "application/x-www-form-urlencoded; charset=utf-7", "text/\u20ac",
                     f"multipart/form-data; boundary={'x' * 4000}"],
    "Content-Length": ["0", "-1", "x"],
    "Accept-Encoding": ["gzip;q=x", ",,,", "*;q=2"],
    "Range": ["bytes=5-1", "bytes=-", "x"],
    "If-None-Match": ["W/", "\"", "x" * 4000],
    "If-Modified-Since": ["yesterday", "Fri, 99 Feb 9999 99:99:99 GMT"],
    "X-Forwarded-For": ["::::", "x" * 4000],
    "X-CSRFToken": ["x", "\u20ac", "e" * 8000],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"), [(name, each) for name, texts in HEADERS.items() for each in texts]
)
@pytest.mark.parametrize("who", ["nobody", "alice"])
def test_every_header_is_borne_whatever_is_in_it(house, who, name, text):
    client = Browser(house.app).client if who == "nobody" else house.browser(who).client
    project = f"/projects/{house.red['project_id']}"
    headers = {"HX-Request": "true", name: text.encode().decode("latin-1")}
    for path in ("/login", project, f"{project}/instances", f"{project}/images/new"):
        assert client.get(path, headers=headers).status_code < 500
    for path in ("/login", f"{project}/images", f"{project}/instances", "/account/theme"):
        assert client.post(path, data={"a": "b"}, headers=headers).status_code < 500
    style = client.get("/static/portal.css", headers=headers)
    assert style.status_code < 500


BODIES = {
    "nothing": b"",
    "no end": b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nx',
    "no headers": b"--x\r\n\r\nx\r\n--x--\r\n",
    "no name": b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--\r\n",
    "no disposition": b"--x\r\nContent-Type: text/plain\r\n\r\nx\r\n--x--\r\n",
    "a charset": b"--x\r\nContent-Disposition: form-data; name=a\r\n"
    b"Content-Type: text/plain; charset=utf-99\r\n\r\nx\r\n--x--\r\n",
    "a name in pieces": b"--x\r\nContent-Disposition: form-data; name*0=a; name*9=b; "
    b"name*=utf-8''%ff\r\n\r\nx\r\n--x--\r\n",
    "no UTF-8": b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\xff\r\n--x--\r\n',
    "endless headers": b"--x\r\n" + b"a: b\r\n" * 60_000,
    "parts without end": b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n" * 2000,
    "boundaries": b"--x\r\n" * 50_000,
    "almost boundaries": b"\r\n--" * 100_000,
}


@pytest.mark.parametrize("name", BODIES)
def test_every_body_is_borne_whatever_is_in_it(house, name):
    browser = house.browser("alice")
    project = f"/projects/{house.red['project_id']}"
    token = browser.token("/account/sessions")
    for path in ("/images", "/images/new", "/instances", "/networks"):
        began = time.thread_time()
        answer = browser.client.post(
            project + path,
            data=BODIES[name],
            content_type="multipart/form-data; boundary=x",
            headers={"X-CSRFToken": token},
        )
        assert answer.status_code < 500
        assert time.thread_time() - began < 1


def test_what_was_refused_is_recorded_without_what_no_database_takes(house):
    session.rollback()
    assert not any("\0" in each.refused for each in session.query(Activity))
