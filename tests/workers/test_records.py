"""What a host remembers of its networks."""

import json

from tests.workers.network_host import network
from workers.drivers.network import records
from workers.drivers.network.records import Record


def test_a_record_of_an_earlier_version_still_leads_to_what_was_made(config):
    record = Record(spec=network(5), held=True, signatures={"pnet": "a"})
    records.write(config, record)
    (file,) = (config.state_directory / "networks").glob("*.json")
    kept = json.loads(file.read_text())
    file.write_text(json.dumps(kept | {"spec": kept["spec"] | {"resolvers": []}}))
    assert records.read(config, record.spec.id) == record
