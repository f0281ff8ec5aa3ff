"""What hosts are told of a network."""

from sqlalchemy import select

from portal.db import session
from portal.models import Port
from portal.services import instances
from tests.cloud import host_row


def leases(host) -> set[str]:
    """The addresses that DHCP on a fake host gives away."""
    return {
        lease["address"] for table in host.every("network").values() for lease in table["leases"]
    }


def addresses(*rows) -> set[str]:
    ids = [row.id for row in rows]
    return set(session.scalars(select(Port.address).where(Port.instance_id.in_(ids))))


def test_a_host_forgets_no_lease_because_its_guest_lived_elsewhere(bare_cloud):
    """Seen: each host had the leases of all, and kept those of guests that ended elsewhere."""
    bare_cloud.add_host("kvm-1")
    bare_cloud.add_host("kvm-2")
    rows = [bare_cloud.running(f"web-{n}") for n in range(4)]
    by_host = {
        name: [row for row in rows if row.host_id == host_row(name).id] for name in bare_cloud.hosts
    }
    assert all(by_host.values())
    for name, there in by_host.items():
        assert leases(bare_cloud.hosts[name]) == addresses(*there)
    alice = bare_cloud.actor("alice")
    for row in by_host["kvm-2"]:
        instances.delete(alice, row.project_id, row.id)
    bare_cloud.settle()
    assert leases(bare_cloud.hosts["kvm-2"]) == set()
    assert leases(bare_cloud.hosts["kvm-1"]) == addresses(*by_host["kvm-1"])
