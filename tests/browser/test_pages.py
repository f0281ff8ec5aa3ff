"""Every page there is, as different people see it: in light and dark, wide and narrow."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from portal.db import session, transaction
from portal.models import Operation
from portal.services import images, projects
from tests.browser import axe
from tests.routes import routes

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

TOPICS = ("/help/security", "/help/operating", "/help/api", "/help/api/reference")
SCHEMES = ("light", "dark")
WIDTHS = (1280, 390)  # a laptop, a phone
NARROWEST = 320  # WCAG 2.2, 1.4.10
HEIGHT = 900
NO_PUBLISHER = "cloud.debian.org cannot be reached from host kvm-1: its name is not known there"
NO_ROOM = "the disk needs 40 GiB, and 12 GiB are free"


@pytest.fixture(scope="module")
def states(site) -> Iterator[list[str]]:
    """Paths of things in states that furniture is not in: under way, failed, in error."""
    cloud = site.cloud
    cloud.hosts["kvm-1"].fail("ensure_disk", NO_ROOM, permanent=True)
    broken = cloud.running("broken")
    assert broken.fault
    ada, project_id = cloud.actor("ada"), cloud.project("red").id
    cloud.hosts["kvm-1"].fail("ensure_fetch", NO_PUBLISHER, permanent=True)
    missed = images.fetch(ada, project_id, "debian-13")
    cloud.settle()
    assert cloud.see(missed).fault
    building, coming = cloud.create("building"), images.fetch(ada, project_id, "debian-12")
    red = f"/projects/{cloud.project('red').id}"
    changes = session.scalars(
        select(Operation.id).where(
            Operation.target_id.in_([each.id for each in (broken, building, missed, coming)])
        )
    )
    yield [
        *(f"{red}/instances/{each.id}" for each in (broken, building)),
        *(f"{red}/operations/{each}" for each in changes),
        *(f"{red}/images/{each.id}" for each in (missed, coming)),
        f"{red}/instances?q=nothing+has+this+name",
        TOPICS[1],
        "/there/is/no/such/page",
    ]
    for each in (missed, coming):
        images.delete(ada, project_id, each.id)


@pytest.fixture(scope="module")
def empty(site) -> dict:
    """What routes need in a project that has just been made."""
    with transaction():
        project = projects.add("green")
    return {"project_id": project.id, "chosen_id": project.id}


def visits(site, person: str, empty: dict) -> Iterator[tuple[str, str]]:
    """Who opens which path: every route that can be read, full and empty."""
    for route in routes(site.app):
        if route.method == "GET":
            yield route.visitor if person == "ada" else person, route.path(site.app, site.red)
            if person == "ada" and route.arguments and route.arguments <= empty.keys():
                yield person, route.path(site.app, empty)


def page_at(page, path: str) -> str | None:
    """What tells the page at `path` from others: where one ends up, or how it fails. None for a
    file, or a part of a page."""
    answer = page.request.get(path)
    if not answer.text().startswith("<!doctype html>"):
        return None
    return answer.url if answer.ok else str(answer.status)


def flaws(page) -> Iterator[str]:
    """What is wrong with the page that is open, in all colours and widths."""
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            yield from (f"{scheme}, {width} px: {found}" for found in axe.violations(page))
    for width in (*WIDTHS, NARROWEST):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        needed = page.evaluate("document.documentElement.scrollWidth")
        if needed > width:
            yield f"needs {needed} px of {width}"


def look(window, visited: list[tuple[str | None, str]]) -> tuple[dict[str, list[str]], set]:
    """Flaws of every page among `visited`, each looked at once; and which were pages."""
    pages = {name: window(name, reduced_motion="reduce") for name in {name for name, _ in visited}}
    wrong, seen = {}, set()
    for name, path in dict.fromkeys(visited):
        known = (name, page_at(pages[name], path))
        if known[1] is None or known in seen:
            continue
        seen.add(known)
        pages[name].goto(path)
        if found := list(flaws(pages[name])):
            wrong[f"{name}: {path}"] = found
    return wrong, seen


@pytest.mark.parametrize("person", ["ada", "rita"])
def test_every_page_can_be_used_by_everybody_on_every_screen(site, window, states, empty, person):
    visited = [*visits(site, person, empty), *((person, path) for path in states)]
    wrong, seen = look(window, visited)
    assert not wrong
    assert len(seen) > 20


def test_whoever_is_not_signed_in_can_use_the_way_in(window):
    wrong, _ = look(window, [(None, path) for path in ("/login", "/help", *TOPICS, "/static/none")])
    assert not wrong


def test_what_a_form_refuses_can_be_read_by_everybody(site, window):
    page = window("ada", reduced_motion="reduce")
    for path, button in (
        (f"/projects/{site.red['project_id']}/instances/new", "Create instance"),
        ("/admin/users/new", "Create user"),
        ("/account/password", "Change password"),
    ):
        page.goto(path)
        page.locator("main form input:not([type=radio], [type=checkbox])").last.fill("")
        page.get_by_role("textbox").first.fill("")
        with page.expect_response(lambda answer: answer.request.method == "POST") as sent:
            page.get_by_role("button", name=button).click()
        assert sent.value.status == 422, path
        assert not list(flaws(page)), path
