"""The frame around every page: it knows the project that one comes from, and whom to ask."""

import pytest

from portal.models import Role
from portal.services import deletions, projects

OUTSIDE = ["/account/password", "/account/sessions", "/account/ssh-keys"]
ADMIN = ["/admin/hosts", "/admin/users", "/admin/audit", "/nothing"]


@pytest.fixture
def both(cloud, alice):
    """Alice is in two projects; the paths of red and green."""
    ada = cloud.actor("ada")
    green = projects.create(ada, "green")
    projects.set_member(ada, green.id, "alice", Role.MEMBER)
    return f"/projects/{cloud.project('red').id}", f"/projects/{green.id}"


def framed(page: str) -> str:
    """The project whose navigation a page shows."""
    return page.partition('id="side"')[2].partition("<h2>")[2].partition("</h2>")[0]


def test_pages_outside_a_project_show_the_one_that_was_open_last(alice, both):
    red, green = both
    for path, name in ((red, "red"), (green, "green"), (red, "red")):
        alice.open(f"{path}/instances")
        for outside in OUTSIDE:
            page = alice.open(outside).text
            assert framed(page) == name
            assert f'href="{path}/instances"' in page
            assert f"· {name} · Portico</title>" not in page
        assert alice.open("/").location == f"{path}/"


def test_pages_of_the_administration_show_it_too(ada, both):
    ada.open(f"{both[0]}/networks")
    for path in ADMIN:
        page = ada.open(path).text
        assert framed(page) == "red"
        assert "Administration" in page
    entry = 'aria-current="page"'
    assert ada.open("/admin/projects").text.partition('id="side"')[2].count(entry) == 1


def test_what_is_under_way_is_counted_outside_of_the_project_too(alice, both, cloud):
    alice.open(f"{both[0]}/instances")
    cloud.create("web")
    assert f'href="{both[0]}/operations"' in alice.open("/account/password").text
    assert 'class="running"' in alice.open("/account/password").text
    cloud.settle()
    assert 'class="running"' not in alice.open("/account/password").text


def test_a_part_of_a_page_that_another_window_asks_for_changes_nothing(alice, both):
    red, green = both
    alice.open(f"{green}/instances")
    alice.open(f"{red}/operations/under-way", **{"HX-Request-Type": "partial"})
    assert framed(alice.open("/account/password").text) == "green"


def test_a_project_that_is_gone_or_anothers_is_not_shown(alice, both, cloud, sign_in):
    red, green = both
    alice.open(f"{green}/instances")
    deletions.delete(cloud.actor("ada"), cloud.project("green").id)
    for _ in range(2):
        page = alice.open("/account/password").text
        assert framed(page) == "red"
        assert "green" not in page
        cloud.settle()
    charlie = sign_in("charlie")
    charlie.client.set_cookie("project", red.rpartition("/")[2])
    page = charlie.open("/account/password").text
    assert framed(page) == "blue"
    assert red not in page
    charlie.client.set_cookie("project", "<b>")
    assert framed(charlie.open("/account/password").text) == "blue"


def test_signing_out_forgets_it(alice, both):
    alice.open(f"{both[1]}/instances")
    assert alice.client.get_cookie("project")
    alice.send("/logout", page="/account/password")
    assert alice.client.get_cookie("project") is None


def test_whoever_may_not_is_told_the_right_person_to_ask(alice, sign_in, red):
    page = alice.open("/admin/hosts").text
    assert "Ask an administrator of the cloud to do it" in page
    assert "administrator of the project" not in page
    page = sign_in("rita").open(f"{red}/instances/new").text
    assert "Ask an administrator of the project to do it" in page
    assert "administrator of the cloud" not in page
