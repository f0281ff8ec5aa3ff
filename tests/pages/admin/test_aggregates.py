"""Aggregates and zones, as administrators of the cloud keep them by pages."""

import pytest
from sqlalchemy import select

from portal.db import session
from portal.models import Aggregate
from tests.cloud import host_row

PLACE = "/admin/aggregates"


@pytest.fixture
def rack(ada) -> str:
    """The path of an aggregate that puts its hosts into the zone east."""
    ada.send(PLACE, {"name": ["rack 7"], "zone": ["east"]}, page=f"{PLACE}/new")
    return f"{PLACE}/{session.scalars(select(Aggregate)).one().id}"


def zone() -> str:
    session.rollback()
    return host_row().zone


def test_hosts_come_into_an_aggregate_and_leave_it(cloud, ada, rack):
    assert "No host is in it." in ada.open(rack).text
    host_id = str(host_row().id)
    answer = ada.send(f"{rack}/hosts", {"host_id": ["kvm-1"]}, page=rack)
    assert (answer.status_code, "Choose a host from the list." in answer.text) == (422, True)
    assert ada.send(f"{rack}/hosts", {"host_id": [host_id]}, page=rack).status_code == 303
    assert zone() == "east"
    assert "kvm-1" in ada.open(PLACE).text
    assert "rack 7</a>" in ada.open(f"/admin/hosts/{host_id}").text
    answer = ada.send(f"{rack}/delete", {}, page=rack)
    assert (answer.status_code, "Remove them first" in answer.text) == (409, True)
    assert ada.send(rack, {"name": ["rack 8"], "zone": ["west"]}, page=rack).status_code == 303
    assert zone() == "west"
    assert ada.send(f"{rack}/hosts/{host_id}/remove", {}, page=rack).status_code == 303
    assert zone() == "nova"
    assert ada.send(f"{rack}/delete", {}, page=rack).status_code == 303
    assert "No aggregate yet" in ada.open(PLACE).text


def test_a_host_is_put_into_a_zone_on_its_page(cloud, ada):
    page = f"/admin/hosts/{host_row().id}"
    assert "<span>nova</span>" in ada.open(page).text
    assert ada.send(f"{page}/zone", {"zone": ["east"]}, page=page).status_code == 303
    assert "kvm-1 is in the zone east." in ada.open(page).text
    answer = ada.send(f"{page}/zone", {"zone": ["a:b"]}, page=page)
    assert (answer.status_code, "has no colon" in answer.text) == (422, True)


def test_whoever_may_only_look_is_offered_no_change(cloud, rack, auditor):
    text = auditor.open(rack).text
    assert "rack 7" in text
    assert "Add a host" not in text
    assert "Delete aggregate" not in text
