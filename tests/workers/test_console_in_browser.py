"""A person at a real browser sees a real guest's screen and types into it."""

import contextlib
import dataclasses
import time

import pytest
from playwright.sync_api import expect, sync_playwright

from portal.db import transaction
from portal.services import sessions
from tests.cloud import PASSWORD, host_row
from tests.web import WebServer
from tests.workers.conftest import LONG_SECONDS, wait_until
from workers import consoles

pytestmark = [pytest.mark.real, pytest.mark.browser]

NO_PASSWORD = """#!/bin/sh
sed -i 's/^root:[^:]*:/root::/' /etc/passwd /etc/shadow
echo 'echo "A shell on $(tty)" > /dev/ttyS0' > /etc/profile
"""
MILLISECONDS = 1000 * LONG_SECONDS
PROMPT_SECONDS = 5
PAINTED = """() => {
    const canvas = document.querySelector(".screen canvas");
    if (!canvas || !canvas.width) return false;
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.some((value, at) => at % 4 < 3 && value > 100);
}"""


@pytest.fixture
def guest(machine, demo_image, new_instance, cloud):
    """A real guest behind an instance of the portal. What the portal knows of it is told by a
    fake host; its screen is shown by a real agent."""
    instance = cloud.running("web")
    shown_by = dataclasses.replace(machine.config, key=cloud.host_config("kvm-1").key)
    consoles.serve(shown_by)
    with transaction():
        host_row().console_address = shown_by.consoles
    image = machine.add_image(demo_image, virtual_size_bytes=64 << 20)
    spec = new_instance(
        image, id=str(instance.id), memory_mib=128, grace_seconds=0, user_data=NO_PASSWORD
    )
    machine.apply(spec)
    return spec


@pytest.fixture
def web(cloud, tmp_path):
    server = WebServer(tmp_path)
    server.wait()
    yield server
    server.stop()
    assert "Traceback" not in server.log


@pytest.fixture
def page(web):
    """A browser in which Bob is signed in, and which must have nothing to complain about."""
    complaints = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = browser.new_page(base_url=web.url, viewport={"width": 1280, "height": 900})
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.set_default_timeout(MILLISECONDS)
        expect.set_options(timeout=MILLISECONDS)
        page.goto("/login")
        page.get_by_label("User name").fill("bob")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/projects/*/")
        yield page
        browser.close()
    assert not [each for each in complaints if "Content Security Policy" in each], complaints


def state(page, name: str):
    return page.locator(f"[data-state={name}]")


def log_in(page, done) -> None:
    """Type root's name until it was heard: a prompt forgets what was typed before it stood."""
    for _ in range(int(LONG_SECONDS / PROMPT_SECONDS)):
        page.keyboard.type("root\n", delay=50)
        with contextlib.suppress(AssertionError):
            wait_until(done, seconds=PROMPT_SECONDS)
            return
    raise AssertionError("nobody answers at the screen")


def test_a_person_types_into_a_real_guest(page, guest, machine, web, cloud):
    place = f"/projects/{cloud.project().id}/instances/{guest.id}/console"
    addresses = []
    page.on("websocket", lambda opened: addresses.append(opened.url))
    began = time.monotonic()
    page.goto(place)
    expect(state(page, "connected")).to_be_visible()
    connected = time.monotonic() - began
    page.wait_for_function(PAINTED)
    print(f"\nconnected after {connected:.2f} s, painted after {time.monotonic() - began:.2f} s")
    assert addresses == [f"ws{web.url[4:]}{place}/socket"]

    machine.wait_for_boot_log(guest, "login:")
    page.locator(".screen canvas").focus()
    log_in(page, lambda: "A shell on /dev/tty1" in machine.boot_log(guest))
    page.get_by_role("button", name="Type text").click()
    page.get_by_label("Text", exact=True).fill('echo "Seen: {~!}" $((6*7)) > /dev/ttyS0\n')
    page.get_by_role("button", name="Type it").click()
    machine.wait_for_boot_log(guest, "Seen: {~!} 42")

    page.locator(".screen canvas").focus()
    page.keyboard.press("Tab")  # it goes to the guest
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"
    page.keyboard.press("Control+Alt+KeyG")
    expect(page.get_by_role("button", name="Full screen")).to_be_focused()

    with page.expect_websocket(timeout=90_000):  # between two looks it may be there again
        machine.apply(dataclasses.replace(guest, generation=2, boots=2))
    expect(state(page, "connected")).to_be_visible()

    with transaction():
        sessions.revoke_all(cloud.actor("bob").user_id)
    page.wait_for_url("**/login**", timeout=10_000)
