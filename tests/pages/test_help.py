"""What can be read about the portal, by whom, and whether it is so."""

import ast
import re
from pathlib import Path

import pytest

from portal.api import catalog, microversions
from portal.changes import CHANGES
from portal.pages.help import TOPICS

ROOT = Path(__file__).resolve().parents[2]
PATHS = ["/help", *(f"/help/{topic}" for topic in TOPICS)]


def named(text: str) -> list[tuple[str, str]]:
    """(file, function) of every test that a page names."""
    return re.findall(r"<code>(tests/[\w/]+\.py)::(\w+)</code>", text)


def functions(path: Path) -> set[str]:
    """The functions that a file defines; none for a file that is not there."""
    tree = ast.parse(path.read_text()) if path.exists() else ast.parse("")
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


@pytest.mark.parametrize("path", PATHS)
def test_help_is_read_by_everybody_in_the_frame_that_is_theirs(path, visitor, alice):
    outside, inside = visitor.open(path), alice.open(path)
    assert (outside.status_code, inside.status_code) == (200, 200)
    assert 'class="bare wide"' in outside.text
    assert "Sign out" not in outside.text
    assert "Sign out" in inside.text
    for page in (outside, inside):
        assert page.text.count("<h1>") == 1


def test_a_topic_that_there_is_not_is_not_found(visitor, alice):
    assert visitor.open("/help/nothing").status_code == 404
    assert alice.open("/help/nothing").status_code == 404


def test_every_promise_names_tests_that_there_are(visitor):
    page = visitor.open("/help/security").text
    assert page.count("<details") == len(re.findall(r"Held by \d+ tests?", page)) > 20
    tests = named(page)
    assert len(tests) == page.count("::test_") > 50
    missing = [each for each in tests if each[1] not in functions(ROOT / each[0])]
    assert not missing


def test_a_test_that_there_is_not_would_be_noticed():
    [(file, function)] = named("<code>tests/pages/test_help.py::test_nothing</code>")
    assert function not in functions(ROOT / file)


def test_operating_prints_the_deadline_of_every_change(visitor):
    page = visitor.open("/help/operating").text
    rows = re.findall(r'<th scope="row">([^<]+)</th><td[^>]*>(\d+ (?:min|h))</td>', page)
    assert len(rows) == len(CHANGES)
    assert ("Create instance", "30 min") in rows
    assert ("Force stop instance", "3 min") in rows


def test_every_way_into_help_leads_to_a_part_that_is_there(visitor, ada, cloud):
    pages = [visitor.open(path).text for path in ("/login", *PATHS)]
    host = re.search(r"/admin/hosts/[0-9a-f-]{36}", ada.open("/admin/hosts").text)[0]
    explained = ("/admin/audit", "/account/sessions", host)
    for path in explained:
        text = ada.open(path).text
        assert "/help/security#" in text, path
        pages.append(text)
    links = {link for page in pages for link in re.findall(r'href="(/help[^"]*)"', page)}
    assert set(PATHS) <= links
    for link in links:
        path, _, part = link.partition("#")
        answer = visitor.open(path)
        assert answer.status_code == 200, link
        assert not part or f'id="{part}"' in answer.text, link
    readme = (ROOT / "README.md").read_text()
    for path, part in re.findall(r"`(/help/\w+)#?([\w-]*)`", readme):
        assert not part or f'id="{part}"' in visitor.open(path).text, (path, part)


def test_the_account_menu_and_the_way_in_lead_to_help(visitor, alice):
    assert 'href="/help"' in visitor.open("/login").text
    assert 'href="/help"' in alice.open("/account/password").text


def test_the_audit_says_of_the_door_what_people_say(visitor, ada):
    visitor.send("/login", {"name": "alice", "password": "wrong"})
    visitor.sign_in("alice")
    visitor.send("/logout", page="/account/password")
    page = ada.open("/admin/audit").text
    for words in ("Signed in", "Signed out", "Was not let in as <b>alice</b>"):
        assert words in page, words
    for code in ("Sign in session", "Sign out session"):
        assert code not in page, code


def test_programs_are_told_every_service_that_there_is_and_its_versions(visitor):
    page = visitor.open("/help/api").text
    for service in (*catalog.SERVICES, catalog.OWN):
        assert f"<code>/{service.key}</code>" in page, service.key
    served = microversions.RANGES["compute"]
    assert f"microversions {served.least} to {served.most}" in page
