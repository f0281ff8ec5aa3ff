"""What a watcher, or whoever starts the portal, learns without signing in."""

import pytest

from portal import config, create_app


@pytest.fixture
def said(bare_cloud):
    """What a page says to somebody who is not signed in."""
    client = create_app(config.current()).test_client()
    return lambda path: client.get(path).text.strip()


def test_the_portal_is_well_without_any_host(said):
    assert said("/healthz") == "ok"


def test_hosts_are_ready_once_one_has_said_what_it_has_and_while_it_answers(bare_cloud, said):
    assert said("/healthz/hosts") == "none"
    bare_cloud.add_host("kvm-1")
    assert said("/healthz/hosts") == "ok"
    bare_cloud.clock.forward(minutes=10)
    assert said("/healthz/hosts") == "none"
