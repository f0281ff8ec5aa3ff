"""A real browser before a real portal.

Whatever a page complains of fails the test that opened it: an error on the console, a breach of
the content security policy, a script that failed, a dialog, a file that is missing, a page that
broke.
"""

import os

import pytest
from playwright.sync_api import Error, Page, sync_playwright

from portal import db
from tests.browser.site import Site
from tests.servers import RedisServer

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
ANSWERS = {"document", "fetch", "xhr"}  # kinds of requests that may be refused
PATIENCE_MS = 10_000


@pytest.fixture(scope="package")
def site(tmp_path_factory):
    """A furnished cloud and its portal. Tests share it: each makes things of its own."""
    redis = RedisServer(tmp_path_factory.mktemp("redis"))
    redis.start()
    with pytest.MonkeyPatch.context() as patch:
        site = Site(tmp_path_factory.mktemp("site"), redis.url, patch)
        yield site
        site.stop()
    db.session.remove()
    redis.stop()


@pytest.fixture(scope="package")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def window(site, chromium):
    """Opens browsers, each with cookies of its own: `window("alice")` is hers, signed in, and
    `window()` nobody's. More arguments are what a Playwright context takes."""
    contexts, complaints = [], []
    site.cloud.settle()  # and hosts have been heard just now

    def opened(name: str | None = None, **options) -> Page:
        context = chromium.new_context(base_url=site.url, **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        if name:
            context.add_cookies([site.cookie(name)])
        page = context.new_page()
        _listen(page, complaints)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints


NO_SCREEN = "The host has not said yet where it shows screens"  # a fake host here has no agent


def _listen(page: Page, complaints: list[str]) -> None:
    def message(said) -> None:
        refused = said.text.startswith("Failed to load resource")  # `response` judges these
        if said.type in ("error", "warning") and not refused and NO_SCREEN not in said.text:
            complaints.append(f"{page.url}: {said.text}")

    def response(answer) -> None:
        kind = answer.request.resource_type
        if answer.status >= 500 or (answer.status >= 400 and kind not in ANSWERS):
            complaints.append(f"{answer.url}: {answer.status}")

    def dialog(shown) -> None:
        complaints.append(f"{page.url}: a dialog says {shown.message}")
        shown.dismiss()

    def error(raised: Error) -> None:
        complaints.append(f"{page.url}: {raised}")

    page.on("console", message)
    page.on("response", response)
    page.on("dialog", dialog)
    page.on("pageerror", error)
