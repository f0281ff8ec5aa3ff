"""What programs are told of instances by columns is what the objects say."""

import uuid

import pytest

from portal.db import session
from portal.models import Instance, Operation, Power
from portal.models.status import STANDSTILLS
from portal.services import instances
from portal.services.details import Details
from portal.services.instances import filters, reports
from portal.services.instances.filters import LONG_AGO
from portal.services.listing import Stretch


def told(cloud) -> dict:
    session.rollback()
    alice, red = cloud.actor("alice"), cloud.project()
    found, _ = reports.listed(alice, red.id, Stretch())
    return {each.of.id: each for each in found}


@pytest.mark.parametrize("fault", ["", "kvm-1 has no space left."])
@pytest.mark.parametrize("reason", ["", next(iter(STANDSTILLS))])
@pytest.mark.parametrize("seen", Power)
@pytest.mark.parametrize("wanted", Power)
def test_the_status_of_a_row_is_that_of_the_instance(cloud, wanted, seen, reason, fault):
    cloud.running("web")
    instance = session.query(Instance).one()
    instance.desired, instance.observed = wanted, seen
    instance.observed_reason, instance.fault = reason, fault
    session.commit()
    [report] = told(cloud).values()
    assert report.status is session.query(Instance).one().status


def test_what_is_under_way_is_told_with_what_it_has(cloud):
    made = cloud.running("web")
    instances.stop(cloud.actor("alice"), made.project_id, made.id)
    report = told(cloud)[made.id]
    assert session.query(Operation).filter_by(finished_at=None).count() == 1
    instance = instances.told(cloud.actor("alice"), made.project_id, made.id)
    assert report.status is instance.status
    ports = [(port.network.name, port.mac, port.addresses[0]) for port in instance.ports]
    assert report.places == ports
    assert report.groups == sorted({each.name for port in instance.ports for each in port.groups})


ASKED = {
    "name": ("web", "^w.b-1$"),
    "status": ("BUILD", "ACTIVE"),
    "address": ("10.", r"^10\."),
    "address6": ("::",),
    "image_id": (uuid.UUID(int=0),),
    "changed_since": (LONG_AGO,),
    "changed_before": (LONG_AGO,),
    "deleted": (False,),
    "host": ("kvm-1",),
    "tags": (("x",),),
    "any_tags": (("x", "y"),),
    "not_tags": (("z", "x"),),
    "not_any_tags": (("z",),),
}
NONE = {"address6", "image_id", "changed_before"}  # of the filters that find nothing there


@pytest.fixture
def asking(any_cloud):
    """Asks for a part of two instances, on either kind of database."""
    any_cloud.add_host("kvm-1")
    details = Details(tags=["x", "y"])
    new = any_cloud.new_instance("web", count=2, details=details)
    instances.create(any_cloud.actor("alice"), new)

    def ask(**wanted):
        wanted = Stretch(**wanted)
        found, _ = reports.listed(any_cloud.actor("ada"), new.project_id, wanted)
        return [each.of.name for each in found], [each.of.id for each in found]

    return ask


def test_every_filter_is_understood_by_either_database(asking):
    assert set(ASKED) == set(filters.FILTERS)
    for name, values in ASKED.items():
        found, _ = asking(filters={name: values})
        assert bool(found) is (name not in NONE), name


def test_every_order_is_followed_to_its_end_on_either_database(asking):
    for name in filters.COLUMNS:
        for descending in (False, True):
            order = ((name, descending),)
            whole, _ = asking(order=order)
            [first], [after] = asking(order=order, limit=1)
            rest, _ = asking(order=order, after=after)
            assert [first, *rest] == whole, name
