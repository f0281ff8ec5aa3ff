"""Horizon, OpenStack's own web pages: somebody signs in, and its pages find what they ask for."""

import os
import re
import subprocess
import time

import pytest
import requests

from tests.interop.conftest import free_port
from tests.stack import PASSWORD, ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(900), pytest.mark.xdist_group("interop")]
PYTHON = ROOT / ".test/clients/bin/python"  # where scripts/test --long puts it
PATIENCE_SECONDS = 120
PAGES = [
    "project/",
    "project/api_access/",
    "project/instances/",
    "project/images",
    "project/key_pairs",
    "project/server_groups/",
    "project/network_topology/",
    "project/networks/",
    "project/security_groups/",
    "identity/",
    "identity/users/",
    "identity/groups/",
    "identity/roles/",
    "identity/application_credentials/",
    "admin/",
    "admin/aggregates/",
    "admin/instances/",
    "admin/flavors/",
    "admin/networks/",
    "admin/info/",
]


@pytest.fixture
def horizon(stack, tmp_path):
    """The address of Horizon, which serves the cloud."""
    port = free_port()
    environment = os.environ | {
        "PORTICO_URL": stack.url,
        "HORIZON_PLACE": str(tmp_path),
        "PYTHONPATH": str(ROOT / "tests/interop"),
        "DJANGO_SETTINGS_MODULE": "horizon_settings",
    }
    log = tmp_path / "horizon.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [PYTHON, "-m", "django", "runserver", "--noreload", f"127.0.0.1:{port}"],
            env=environment,
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _answers(url):
            assert process.poll() is None, log.read_text()[-5000:]
            assert time.monotonic() < deadline, log.read_text()[-5000:]
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/auth/login/", timeout=60).ok
    except requests.ConnectionError:
        return False


def test_its_pages_find_what_they_ask_for(horizon):
    http = requests.Session()
    page = http.get(f"{horizon}/auth/login/", timeout=60).text
    form = {
        "username": "admin",
        "password": PASSWORD,
        "region": re.search(r'name="region"[^>]*value="([^"]*)"', page)[1],
        "csrfmiddlewaretoken": re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1],
    }
    answer = http.post(f"{horizon}/auth/login/", data=form, timeout=60)
    assert "/auth/login" not in answer.url, _complaints(answer.text)
    wrong = []
    for path in PAGES:
        answer = http.get(f"{horizon}/{path}", timeout=60)
        if not answer.ok or "/auth/login" in answer.url or _complaints(answer.text):
            wrong.append(f"{path}: {answer.status_code} {answer.url} {_complaints(answer.text)}")
    assert not wrong, "\n".join(wrong)


def _complaints(page: str) -> list[str]:
    return re.findall(r"(?:Error:|Unable to|Danger:)[^<]{0,200}", page)
