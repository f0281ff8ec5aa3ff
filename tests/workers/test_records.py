"""What a host remembers of its networks."""

import json

from tests.workers.network_host import network
from workers.drivers.network import records
from workers.drivers.network.records import Record
from workers.specs import LeaseSpec


def test_a_record_of_a_network_with_one_subnet_of_its_own_is_read_as_one_with_one_subnet(config):
    """As 0.1.0 wrote it."""
    spec = network(
        5, leases=(LeaseSpec(mac="fa:16:3e:00:00:01", address="10.0.0.9", hostname="web"),)
    )
    old = {
        "id": spec.id,
        "generation": 1,
        "segment_id": 5,
        "mtu": 1450,
        "cidr": "10.0.0.0/24",
        "gateway": "10.0.0.1",
        "gateway_mac": "0a:00:00:00:00:05",
        "dhcp_address": "10.0.0.2",
        "dns_domain": "shop.internal",
        "resolvers": [],
        "nat": True,
        "leases": [{"mac": "fa:16:3e:00:00:01", "address": "10.0.0.9", "hostname": "web"}],
    }
    record = Record(spec=spec, held=True, signatures={"pnet": "a"})
    records.write(config, record)
    (file,) = (config.state_directory / "networks").glob("*.json")
    kept = json.loads(file.read_text())
    file.write_text(json.dumps(kept | {"spec": old}))
    assert records.read(config, spec.id) == record


def test_a_record_of_an_earlier_version_still_leads_to_what_was_made(config):
    record = Record(spec=network(5), held=True, signatures={"pnet": "a"})
    records.write(config, record)
    (file,) = (config.state_directory / "networks").glob("*.json")
    kept = json.loads(file.read_text())
    file.write_text(json.dumps(kept | {"spec": kept["spec"] | {"resolvers": []}}))
    assert records.read(config, record.spec.id) == record
