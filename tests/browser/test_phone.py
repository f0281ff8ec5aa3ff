"""What a phone of 390 px shows: nothing lies outside of its place, and the button is at hand."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.services.image_files import bootable

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PHONE = {"width": 390, "height": 844}


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def phone(request, window):
    """Opens browsers as narrow as a phone."""
    return lambda name: window(name, viewport=PHONE, java_script_enabled=request.param)


def inside(part: Locator, whole: dict) -> bool:
    box = part.bounding_box()
    return (
        box["x"] >= whole["x"]
        and box["x"] + box["width"] <= whole["x"] + whole["width"] + 0.5
        and box["height"] > 0
    )


def test_every_tab_is_in_sight(phone, site):
    page = phone("alice")
    page.goto(f"/projects/{site.red['project_id']}/instances/{site.red['instance_id']}")
    tabs = page.locator(".tabs a").all()
    assert len(tabs) == 5
    assert all(inside(tab, {"x": 0, "width": PHONE["width"]}) for tab in tabs)


def test_the_role_of_a_member_keeps_to_its_card(phone, site):
    page = phone("alice")
    page.goto(f"/projects/{site.red['project_id']}/members")
    rows = page.locator("tbody tr").all()
    assert rows
    for row in rows:
        for part in row.locator("select, button, a").all():
            assert inside(part, row.bounding_box())


def test_the_time_of_an_entry_does_not_run_into_who_it_was(phone, site):
    page = phone("ada")
    page.goto("/admin/audit")
    for row in page.locator("tbody tr").all()[:10]:
        when, who = row.locator("time").bounding_box(), row.locator("[data-label=Who]")
        assert inside(row.locator("time"), row.bounding_box())
        assert when["y"] + when["height"] <= who.bounding_box()["y"]


def test_names_stand_as_high_as_the_rest_of_their_row(window, site):
    page = window("alice")
    page.goto(f"/projects/{site.red['project_id']}/instances")
    row = page.locator("tbody tr").first
    name, cell = (row.locator(each).bounding_box() for each in ("th a", "th"))
    middle = [box["y"] + box["height"] / 2 for box in (name, cell)]
    text = row.locator("th a").evaluate(
        "link => { const range = document.createRange(); range.selectNodeContents(link);"
        " const box = range.getBoundingClientRect(); return box.y + box.height / 2; }"
    )
    assert abs(text - middle[1]) <= 1
    assert abs(middle[0] - middle[1]) <= 1


def test_the_button_says_what_it_makes_and_is_at_hand(phone, site):
    page = phone("alice")
    page.goto(f"/projects/{site.red['project_id']}/instances/new")
    dock = page.locator(".dock")
    expect(dock).to_be_in_viewport(ratio=1)
    expect(dock).to_contain_text("fits now")
    expect(page.get_by_role("button", name="Create instance")).to_have_count(1)
    page.get_by_label("How many").fill("3")
    if page.locator(".unscripted").is_visible():
        page.get_by_role("button", name="Recalculate").click()
    else:
        page.get_by_label("How many").blur()
    expect(page.locator(".dock")).to_contain_text(re.compile("3 . .+ fit now"))
    page.get_by_label("Name", exact=True).fill("of a phone")
    page.get_by_label("How many").fill("1")
    page.get_by_role("button", name="Create instance").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("of a phone")
    site.cloud.settle()


def test_a_key_that_is_pasted_ends_the_warning_at_once(phone, site):
    page = phone("alice")
    page.goto(f"/projects/{site.red['project_id']}/instances/new")
    page.get_by_label("SSH key", exact=True).select_option("")
    warning = page.get_by_text("Without a key you cannot log in by SSH.")
    expect(warning).to_be_visible()
    if not page.get_by_label("New SSH key").is_visible():
        page.get_by_text("Paste another key").click()
    page.get_by_label("New SSH key").fill("ssh-ed25519 AAAA")
    expect(warning).to_be_hidden()
    expect(page.get_by_text("The one you pasted")).to_be_visible()


def test_a_file_that_was_refused_after_it_was_sent_stays_chosen(window, site, tmp_path):
    disk = tmp_path / "disk.raw"
    disk.write_bytes(bootable(b"")[:-512] + b"conectix".ljust(512, b"\0"))
    page = window("alice")
    page.goto(f"/projects/{site.red['project_id']}/images/new")
    page.get_by_label("Name", exact=True).fill("of another kind")
    page.get_by_label("File").set_input_files(disk)
    page.get_by_role("button", name="Upload image").click()
    expect(page.get_by_text("This is a VHD disk of fixed size")).to_be_visible()
    assert page.get_by_label("File").evaluate("input => input.files[0].name") == "disk.raw"


def test_the_button_that_copies_lies_beside_the_text_and_not_on_it(phone, site):
    page = phone("alice")
    page.goto("/help/api")
    for code in page.locator(".code").all():
        text = code.locator("pre").bounding_box()
        button = code.get_by_role("button", include_hidden=True)
        if button.is_visible():
            assert text["x"] + text["width"] <= button.bounding_box()["x"]
        assert inside(code, {"x": 0, "width": PHONE["width"]})
