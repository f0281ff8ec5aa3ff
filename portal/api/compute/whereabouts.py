"""Where a server shall be: its zone, and the group that keeps it apart from others or with them.

https://docs.openstack.org/api-ref/compute/#create-server
"""

from portal.api import faults, schemas, wire

HINT_KEYS = ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints")
HINTS = dict.fromkeys(HINT_KEYS, schemas.fields(group=schemas.ID))  # beside `server` in a body
ZONE = schemas.maybe(schemas.text())


def wished(body: dict) -> dict:
    """What the body of a create says of it, as `NewInstance` has it. Raises Fault."""
    hints = [body[key] for key in HINT_KEYS if key in body]
    groups = {each["group"] for each in hints if "group" in each}
    if len(groups) > 1:
        raise faults.bad("A server is in one group: name one of them.")
    server = body["server"]
    zone = server.get("availability_zone") or ""
    hosts = {server[key] for key in ("host", "hypervisor_hostname") if key in server}
    if len(hosts) > 1 or (hosts and ":" in zone):
        raise faults.bad("A server is on one host: name it once.")
    return {
        "zone": f"{zone}:{hosts.pop()}" if hosts else zone,
        "placement_group_id": wire.as_id(groups.pop()) if groups else None,
    }
