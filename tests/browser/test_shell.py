"""What surrounds every page: colours, copying, keys."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

DARK = "rgb(20, 19, 17)"


@pytest.fixture
def page(site, window) -> Page:
    """Alice looks at her instances."""
    page = window("alice", permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"/projects/{site.red['project_id']}/instances")
    return page


def heading(page: Page):
    return expect(page.get_by_role("heading", level=1))


def test_the_colours_change_at_once_and_stay(page):
    page.get_by_role("button", name="alice account").click()
    with page.expect_response("**/account/theme"):
        page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_css("background-color", DARK)
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.locator("html")).to_have_css("background-color", DARK)
    page.get_by_role("button", name="alice account").click()
    with page.expect_response("**/account/theme"):
        page.get_by_role("button", name="System").click()
    page.reload()
    expect(page.locator("html")).not_to_have_css("background-color", DARK)


def test_an_id_is_copied_by_its_button(site, page):
    page.get_by_role("link", name="of-red", exact=True).click()
    page.get_by_role("button", name="Copy id").click()
    expect(page.get_by_role("status")).to_contain_text("Copied")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == str(site.red["instance_id"])


def test_keys_lead_through_the_portal(page):
    page.keyboard.press("g")
    page.keyboard.press("n")
    heading(page).to_have_text("Networks")
    page.keyboard.press("c")
    heading(page).to_have_text("Create a network")
    page.get_by_label("Name").press("g")  # what is typed is no shortcut
    page.get_by_label("Name").press("i")
    expect(page.get_by_label("Name")).to_have_value("gi")
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("g")
    page.keyboard.press("i")
    heading(page).to_have_text("Instances")
    expect(page.locator("#main")).to_be_focused()  # a swap ends with it
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_keys_can_be_switched_off(page):
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Shortcuts work in this browser").uncheck()
    sheet.get_by_role("button", name="Close").click()
    expect(sheet).to_be_hidden()
    page.reload()
    asked = []
    page.on("request", lambda request: asked.append(request.resource_type))
    for key in "gnc?":
        page.keyboard.press(key)
    expect(sheet).to_be_hidden()
    assert not {"document", "fetch"} & set(asked)
    page.get_by_role("button", name="Keyboard shortcuts").click()
    sheet.get_by_label("Shortcuts work in this browser").check()
    sheet.get_by_role("button", name="Close").click()
    page.keyboard.press("c")
    heading(page).to_have_text("Create an instance")
