"""How much a browser has to fetch, counted by Chromium: headers included, as it came compressed."""

import pytest

from portal.services import instances, quotas

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

FIRST_LOAD_BYTES, FIRST_LOAD_REQUESTS = 60_000, 8
NEXT_PAGE_BYTES, NEXT_PAGE_REQUESTS = 12_000, 1
ROWS = 50  # a full page of a list


class Traffic:
    """What a page has fetched since it was last asked."""

    def __init__(self, page):
        self._sizes: dict[str, int] = {}
        watch = page.context.new_cdp_session(page)
        watch.on("Network.requestWillBeSent", self._begun)
        watch.on("Network.loadingFinished", self._ended)
        watch.send("Network.enable")

    def taken(self) -> tuple[int, int]:
        """Bytes and requests; what Chromium had kept counts as neither."""
        fetched = [size for size in self._sizes.values() if size]
        self._sizes.clear()
        return sum(fetched), len(fetched)

    def _begun(self, event: dict) -> None:
        self._sizes.setdefault(event["requestId"], 0)

    def _ended(self, event: dict) -> None:
        self._sizes[event["requestId"]] = int(event["encodedDataLength"])


@pytest.fixture(scope="module")
def blue(site) -> str:
    """The path of Charlie's project, whose list of instances is a full page."""
    cloud = site.cloud
    project = cloud.project("blue")
    limits = {name: each.limit for name, each in quotas.usage(project.id).items()}
    more = {"instances": 100, "vcpus": 100, "disk_gib": 1000}
    quotas.change(cloud.actor("ada"), project.id, limits | more)
    for first in range(0, ROWS, instances.MOST_AT_ONCE):
        count = min(instances.MOST_AT_ONCE, ROWS - first)
        wish = cloud.new_instance(f"vm-{first}", "blue", count=count)
        instances.create(cloud.actor("charlie"), wish)
    cloud.settle()
    return f"/projects/{project.id}"


@pytest.mark.parametrize("path", ["", "/instances", "/instances/new", "/activity"])
def test_a_first_page_is_light(window, blue, path):
    page = window("charlie")
    traffic = Traffic(page)
    page.goto(f"{blue}{path}" if path else f"{blue}/", wait_until="networkidle")
    size, requests = traffic.taken()
    assert 10_000 < size <= FIRST_LOAD_BYTES
    assert 4 < requests <= FIRST_LOAD_REQUESTS


@pytest.mark.parametrize(
    "path", ["/login", "/help", "/help/security", "/help/operating", "/help/api/reference"]
)
def test_the_way_in_is_light(window, path):
    page = window()
    traffic = Traffic(page)
    page.goto(path, wait_until="networkidle")
    size, requests = traffic.taken()
    assert 10_000 < size <= FIRST_LOAD_BYTES
    assert requests <= FIRST_LOAD_REQUESTS


def test_a_full_list_is_a_light_next_page(window, blue):
    page = window("charlie")
    page.goto(f"{blue}/", wait_until="networkidle")
    traffic = Traffic(page)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Instances").click()
    page.wait_for_url("**/instances")
    page.wait_for_load_state("networkidle")
    assert page.locator("tbody tr").count() == ROWS
    size, requests = traffic.taken()
    assert 1000 < size <= NEXT_PAGE_BYTES
    assert requests == NEXT_PAGE_REQUESTS
