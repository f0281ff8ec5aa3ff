"""What happens by itself on an open page, and what stops happening."""

import re

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from portal.db import session
from portal.models import Image, Operation
from portal.services import images, instances, sessions

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SEEN_WITHIN_MS = 3000
AN_HOUR_MS = 3_600_000


def row_of(site, instance) -> tuple[str, str, str]:
    return f"/projects/{instance.project_id}/instances", f"#instance-{instance.id}", "Running"


def card_of(site, instance) -> tuple[str, str, str]:
    place = f"/projects/{instance.project_id}/instances/{instance.id}"
    return place, f"#status-{instance.id}", "Running"


def operation_of(site, instance) -> tuple[str, str, str]:
    found = session.scalar(select(Operation.id).where(Operation.target_id == instance.id))
    return f"/projects/{instance.project_id}/operations/{found}", f"#operation-{found}", "Done"


@pytest.mark.parametrize("place_of", [row_of, card_of, operation_of])
def test_a_change_is_seen_within_three_seconds_and_then_nobody_asks_again(site, window, place_of):
    path, part, end = place_of(site, site.cloud.create("watched"))
    page = window("alice")
    page.clock.install()
    page.goto(path)
    live = page.locator(part)
    pill = live.locator(".pill").first
    expect(pill).to_have_text(re.compile("Building|Under way"))
    with page.expect_request(lambda request: request.resource_type == "fetch"):
        pass  # it asks
    site.cloud.settle()
    expect(pill).to_have_text(end, timeout=SEEN_WITHIN_MS)
    expect(live).not_to_have_attribute("hx-get", re.compile("."))
    expect(page.get_by_role("banner")).not_to_contain_text("under way", timeout=2 * SEEN_WITHIN_MS)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.fast_forward(AN_HOUR_MS)
    page.evaluate("() => fetch('/healthz').then(answer => answer.text())")
    assert asked == [f"{site.url}/healthz"]


def test_a_row_goes_when_its_instance_is_gone(site, window):
    instance = site.cloud.running("short-lived")
    path, part, _ = row_of(site, instance)
    page = window("alice")
    page.goto(f"{path}/{instance.id}/delete")
    page.get_by_label("Type short-lived").fill("short-lived")
    page.get_by_role("button", name="Delete instance").click()
    expect(page.locator(part)).to_contain_text("Deleting")
    site.cloud.settle()
    expect(page.locator(part)).to_have_count(0, timeout=SEEN_WITHIN_MS)


@pytest.fixture
def no_image_left(site):
    """Whatever is fetched meanwhile is deleted: forms would choose it, since it is the newest."""
    yield
    there = select(Image.id).where(Image.published_as != "", Image.deleted_at.is_(None))
    for image_id in session.scalars(there).all():
        images.delete(site.cloud.actor("ada"), site.red["project_id"], image_id)


def test_an_image_is_fetched_by_one_click_and_seen_to_be_there(site, window, no_image_left):
    page = window("ada")
    page.goto(f"/projects/{site.red['project_id']}/images")
    page.get_by_role("button", name="Fetch Rocky Linux 9").click()
    row = page.locator("tr[id^=image-]", has_text="Rocky Linux 9")
    offer = page.locator("#published-rocky-9")
    for part in (row, offer):
        expect(part.locator(".pill")).to_have_text("Fetching")
    site.cloud.settle()
    for part in (row, offer):
        expect(part.locator(".pill")).to_have_text("Ready", timeout=SEEN_WITHIN_MS)
    expect(row).not_to_have_attribute("hx-get", re.compile("."))
    expect(page.locator("#published")).not_to_have_attribute("hx-get", re.compile("."))


def test_whoever_is_signed_out_while_a_page_asks_is_led_to_sign_in_and_back(site, window):
    path, part, _ = row_of(site, site.cloud.create("waiting"))
    page = window("bob")
    page.goto(path)
    expect(page.locator(part)).to_contain_text("Building")
    sessions.sign_out_everywhere(site.cloud.actor("bob"))
    page.wait_for_url(lambda url: "/login?next=" in url)
    site.sign_in("bob", page)
    page.wait_for_url(f"**{path}")
    site.cloud.settle()
    expect(page.locator(part)).to_contain_text("Running")


def test_a_page_that_was_fetched_in_place_still_sends_its_forms(site, window):
    page = window("alice")
    red = f"/projects/{site.red['project_id']}"
    page.goto(f"{red}/instances")
    page.evaluate("() => { window.sameDocument = true; }")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Members").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Members")
    assert page.evaluate("() => window.sameDocument"), "the whole page was loaded"
    expect(page).to_have_title(re.compile("^Members"))
    expect(page.locator("#main")).to_be_focused()
    page.get_by_label("User name").fill("charlie")
    form = page.locator("form").filter(has=page.get_by_label("User name"))
    form.get_by_label("Role", exact=True).select_option("reader")
    page.get_by_role("button", name="Add to the project").click()
    expect(page.get_by_role("status")).to_contain_text("charlie is reader of this project.")


def test_what_htmx_sends_bears_the_token_of_the_session(site, window):
    page = window("alice")
    page.goto(f"/projects/{site.red['project_id']}/instances")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Networks").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Networks")
    with page.expect_request("**/account/theme") as sent:
        page.evaluate("() => htmx.ajax('POST', '/account/theme', {source: '#main', swap: 'none'})")
    assert sent.value.headers["x-csrftoken"]
    assert sent.value.response().status == 303


def test_a_stop_counts_down_without_a_reload_and_is_cancelled_by_its_button(site, window):
    instance = site.cloud.running("deaf")
    host = site.cloud.hosts["kvm-1"]
    host.put("guest", str(instance.id), host.get("guest", str(instance.id)) | {"deaf": True})
    path, part, _ = card_of(site, instance)
    instances.stop(site.cloud.actor("alice"), instance.project_id, instance.id)
    page = window("alice")
    page.goto(path)
    notice = page.locator(part).locator(".notice")
    site.cloud.turn()
    site.cloud.turn()
    expect(notice).to_contain_text("deaf was asked to shut down", timeout=SEEN_WITHIN_MS)
    said = notice.inner_text()
    expect(notice).not_to_have_text(said, timeout=SEEN_WITHIN_MS)
    page.locator(part).get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status").first).to_contain_text("It is cancelled")
    site.cloud.settle()
    expect(page.locator(part).locator(".pill").first).to_have_text("Running")


def test_a_boot_log_comes_by_itself_when_its_tab_is_opened(site, window):
    instance = site.cloud.running("talks")
    page = window("rita")
    page.goto(f"/projects/{instance.project_id}/instances/{instance.id}/log")
    log = page.locator(f"#boot-log-{instance.id}")
    expect(log).to_contain_text("Asking its host", timeout=SEEN_WITHIN_MS)
    with page.expect_response(lambda answer: answer.request.method == "POST", timeout=30_000):
        site.cloud.observe()
        site.cloud.observe()
        expect(log).to_contain_text("booted 1 times", timeout=SEEN_WITHIN_MS)
        host = site.cloud.hosts["kvm-1"]
        guest = host.get("guest", str(instance.id)) | {"says": "login: "}
        host.put("guest", str(instance.id), guest)
    # it has asked again, since the guest boots
    site.cloud.observe()
    site.cloud.observe()
    expect(log).to_contain_text("login:", timeout=SEEN_WITHIN_MS)
