"""What programs are told of instances by columns is what the objects say."""

import pytest

from portal.db import session
from portal.models import Instance, Operation, Power
from portal.models.status import STANDSTILLS
from portal.services import instances
from portal.services.instances import reports
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
