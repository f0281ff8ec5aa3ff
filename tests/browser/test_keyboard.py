"""A keyboard alone is enough: Tab to a thing, see where one is, Enter or a space to use it."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

MOST_TABS = 60
HERE = """() => {
    const here = document.activeElement;
    const label = here.labels?.[0]?.innerText || here.ariaLabel || here.innerText || "";
    return label.trim().split("\\n")[0].trim();
}"""
SEEN = """() => {
    const here = document.activeElement.closest(".choice") || document.activeElement;
    const {outlineStyle, outlineWidth} = getComputedStyle(here);
    const {top, bottom} = here.getBoundingClientRect();
    const bar = document.querySelector(".bar").getBoundingClientRect().bottom;
    const covered = !here.closest(".bar") && !here.matches(".skip") && bottom <= bar;
    return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && !covered &&
        top < innerHeight && bottom > 0;
}"""


def tab_to(page: Page, label: str) -> None:
    """Forward to what bears this label; each stop on the way can be seen."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        here = page.evaluate(HERE)
        assert page.evaluate(SEEN), f"the focus cannot be seen on {here!r}"
        if here == label:
            return
    raise AssertionError(f"{label} is not reached by {MOST_TABS} tabs")


def test_an_instance_is_created_and_deleted_by_keys_alone(site, window):
    page = window("alice", reduced_motion="reduce")
    page.goto(f"/projects/{site.red['project_id']}/instances")
    heading = page.get_by_role("heading", level=1)
    tab_to(page, "Skip to content")
    page.keyboard.press("Enter")
    tab_to(page, "Create instance")
    page.keyboard.press("Enter")
    expect(heading).to_have_text("Create an instance")
    tab_to(page, "Name")
    page.keyboard.press("Control+A")
    page.keyboard.type("keys-only")
    page.keyboard.press("Enter")
    expect(heading).to_have_text("keys-only")
    site.cloud.settle()
    expect(page.locator("main .pill").first).to_have_text("Running")
    tab_to(page, "Settings")
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings")
    tab_to(page, "Delete…")
    page.keyboard.press("Enter")
    expect(heading).to_have_text("Delete keys-only?")
    tab_to(page, "Type keys-only to confirm")
    page.keyboard.type("keys-only")
    tab_to(page, "Delete instance")
    page.keyboard.press("Space")
    expect(heading).to_have_text("Instances")
    expect(page.locator("tr", has_text="keys-only")).to_contain_text("Deleting")
    site.cloud.settle()
    expect(page.locator("tr", has_text="keys-only")).to_have_count(0)


def test_the_menus_open_and_close_by_keys(site, window):
    page = window("alice", reduced_motion="reduce")
    page.goto(f"/projects/{site.red['project_id']}/instances")
    tab_to(page, "red")
    page.keyboard.press("Enter")
    menu = page.get_by_role("navigation", name="Projects")
    expect(menu).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(page.get_by_role("button", name="Projects")).to_be_focused()
