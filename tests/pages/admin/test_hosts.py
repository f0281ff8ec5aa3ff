"""A host as administrators see it: what is in its way, and what on it belongs to nothing."""

import uuid

import pytest
from sqlalchemy import select

from portal.conductor import drift
from portal.db import session, transaction
from portal.models import FixedIp, Port, Scope, Status
from portal.services import strangers
from tests.cloud import host_row
from tests.strangers import leave
from workers.specs import NO_SPACE


@pytest.fixture
def page(cloud, ada):
    """The text of the page of kvm-1, once its host was looked at."""

    def open_() -> str:
        cloud.look()
        return ada.open(f"/admin/hosts/{host_row().id}").text

    return open_


def test_what_drops_the_packets_of_guests_is_on_the_page_with_what_mends_it(cloud, page):
    assert "In the way of guests" not in page()
    cloud.hosts["kvm-1"].put("obstacle", "a chain drops them", {"mend": "nft insert rule"})
    text = page()
    assert "a chain drops them" in text
    assert "nft insert rule" in text


def test_who_had_all_the_connections_that_one_may_is_on_the_page(cloud, page):
    cloud.hosts["kvm-1"].put("crowd", "a guest began more", {"advice": "Look at what it does"})
    text = page()
    assert "a guest began more. Look at what it does." in text
    assert "As root" not in text


def test_a_row_that_the_host_left_out_of_its_table_is_on_the_page_and_freezes_nothing(cloud, page):
    instance = cloud.running()
    with transaction():
        port = session.scalar(select(Port).where(Port.owner_id == instance.id))
        port.mac = "fa:16:3e:zz:00:01"
    other = cloud.running("other")
    assert other.status is Status.RUNNING
    [table] = cloud.hosts["kvm-1"].every("firewall").values()
    address = session.scalar(select(FixedIp.address).join(Port).where(Port.owner_id == other.id))
    assert [each["addresses"] for each in table["ports"]] == [[address]]
    text = page()
    assert "the table of firewall leaves out a row" in text
    assert "fa:16:3e:zz:00:01" in text
    assert "As root on the host" not in text


def test_what_belongs_to_nothing_is_on_the_page_with_the_command_that_removes_it(cloud, page):
    assert "Belongs to no instance" not in page()
    lost = f"disks {uuid.uuid4()}"
    cloud.hosts["kvm-1"].put("disk", lost.removeprefix("disks "), {"gib": 1, "image": ""})
    text = page()
    assert lost in text
    assert "flask strangers --remove" in text


def test_a_removal_is_among_the_operations_and_on_the_record(cloud, ada):
    leave(cloud.hosts["kvm-1"], "bridge pbr9", "9")
    cloud.look()
    strangers.remove(cloud.actor("ada"), host_row().id, strangers.on(host_row()))
    cloud.settle()
    assert "Clean kvm-1" in ada.open("/admin/operations").text
    record = ada.open("/admin/audit").text
    assert "Removed strangers from host" in record
    assert "bridge pbr9" in record


def test_what_a_host_was_not_told_is_on_its_page_with_the_reason(cloud, page):
    host = cloud.hosts["kvm-1"]
    cloud.running()
    assert "Not told yet" not in page()
    host.fail("ensure_firewall", "nft: no such file", times=99, permanent=True)
    with transaction():
        session.scalar(select(Scope).where(Scope.kind == "firewall")).wanted += 1
    for _ in range(3):
        drift.mend()
        cloud.turn()
    text = page()
    assert "Set up the filter: tried again from" in text
    assert "The last time: nft: no such file" in text


def test_what_was_sent_to_a_host_that_fell_silent_waits_for_its_answer(cloud, page):
    cloud.running()
    cloud.silent.add("kvm-1")
    with transaction():
        session.scalar(select(Scope).where(Scope.kind == "firewall")).wanted += 1
    drift.mend()
    cloud.turn()
    assert "Set up the filter: on its way" in page()
    cloud.clock.forward(minutes=2)
    assert "Set up the filter: when the host answers again" in page()


def test_what_a_host_shall_do_with_a_table_is_said_as_in_the_changes_of_it(cloud, page):
    cloud.running()
    for needed, words in ((True, "Set up the network default"), (False, "Take down the network")):
        with transaction():
            scope = session.scalar(select(Scope).where(Scope.kind == "networks"))
            scope.needed, scope.wanted = needed, scope.wanted + 1
        assert f"<li>{words}" in page()


def test_how_full_its_file_systems_are_and_who_stands_still_is_on_the_page(cloud, page):
    instance = cloud.running()
    host = cloud.hosts["kvm-1"]
    assert "3998 GiB of 4000 GiB free: disks of guests" in page()
    host.put("host", "full", {"free_gib": 1})
    host.put("guest", str(instance.id), host.get("guest", str(instance.id)) | {"reason": NO_SPACE})
    text = page()
    assert "1 GiB of 4000 GiB free: disks of guests" in text
    assert "gets nothing new with less than 2" in text
    assert f"Worth a look: </strong> the guest {instance.id} has no space left" in text
