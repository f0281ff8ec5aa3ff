"""What a server looks like: one serialiser, and a table of what changed between versions."""

import hashlib
import uuid
from collections.abc import Mapping

from portal.api import links, microversions, wire
from portal.api.compute import flavors as flavor_views
from portal.models import Instance, Port
from portal.models.status import WIRE, Status
from portal.policies import Actor

CHANGES = {  # from which version a field is there, and from which it is not any more
    "locked": ((2, 9), None),
    "description": ((2, 19), None),
    "tags": ((2, 26), None),
}


def brief(instance: Instance) -> dict:
    """A server where many are named."""
    return {"id": str(instance.id), "name": instance.name, "links": links_to("servers", instance)}


def shown(actor: Actor, instance: Instance, flavor_ids: Mapping[str, uuid.UUID]) -> dict:
    """A server as clients see it. `flavor_ids` are those of the flavors that there still are."""
    wire_status = WIRE[instance.status]
    whole = {
        **brief(instance),
        "status": wire_status.status,
        "tenant_id": wire.short(instance.project_id),
        "user_id": wire.short(instance.user_id),
        "metadata": instance.properties,
        "hostId": _host_id(instance),
        "image": _image(instance),
        "flavor": _flavor(instance, flavor_ids),
        "created": wire.rough(instance.created_at),
        "updated": wire.rough(instance.updated_at),
        "addresses": addresses(instance),
        "accessIPv4": "",
        "accessIPv6": "",
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": instance.host.zone if instance.host else "",
        "config_drive": "",
        "key_name": instance.key_name or None,
        "OS-SRV-USG:launched_at": wire.zoneless(instance.launched_at),
        "OS-SRV-USG:terminated_at": None,
        "OS-EXT-STS:task_state": wire_status.task_state,
        "OS-EXT-STS:vm_state": wire_status.vm_state,
        "OS-EXT-STS:power_state": wire_status.power_state,
        "os-extended-volumes:volumes_attached": [],
        "security_groups": [{"name": name} for name in groups(instance)],
        "locked": instance.locked,
        "description": instance.description or None,
        "tags": instance.tags,
    }
    if instance.status is Status.ERROR:
        created = wire.rough(instance.updated_at)
        whole["fault"] = {"code": 500, "message": instance.fault, "created": created}
    else:
        whole["progress"] = 0 if instance.status is Status.BUILDING else 100
    if actor.may("hosts:read"):
        whole |= _for_administrators(instance)
    return microversions.fitting(whole, CHANGES)


def addresses(instance: Instance) -> dict[str, list[dict]]:
    """Where a server is reached, by the name of the network."""
    found: dict[str, list[dict]] = {}
    for port in instance.ports:
        found.setdefault(port.network.name, []).extend(_of_port(port))
    return found


def groups(instance: Instance) -> list[str]:
    """The names of the security groups that count for a server, each once."""
    return sorted({group.name for port in instance.ports for group in port.groups})


def links_to(noun: str, thing) -> list[dict]:
    """Where a thing of compute is."""
    return [
        {"rel": "self", "href": links.to(f"/compute/v2.1/{noun}/{thing.id}")},
        {"rel": "bookmark", "href": links.to(f"/compute/{noun}/{thing.id}")},
    ]


def _of_port(port: Port) -> list[dict]:
    return [
        {
            "addr": each,
            "version": 6 if ":" in each else 4,
            "OS-EXT-IPS:type": "fixed",
            "OS-EXT-IPS-MAC:mac_addr": port.mac,
        }
        for each in port.addresses
    ]


def _host_id(instance: Instance) -> str:
    """Tells servers of one project apart by their hosts, and says nothing of the host itself."""
    if instance.host_id is None:
        return ""
    return hashlib.sha224(f"{instance.project_id}{instance.host_id}".encode()).hexdigest()


def _image(instance: Instance) -> dict | str:
    if instance.image_id is None:
        return ""
    href = links.to(f"/compute/images/{instance.image_id}")
    return {"id": str(instance.image_id), "links": [{"rel": "bookmark", "href": href}]}


def _flavor(instance: Instance, flavor_ids: Mapping[str, uuid.UUID]) -> dict:
    """One that is gone keeps an id, always the same for its name."""
    gone = uuid.uuid5(uuid.NAMESPACE_URL, f"portico:flavor {instance.flavor_name}")
    flavor_id = flavor_ids.get(instance.flavor_name, gone)
    return {"id": str(flavor_id), "links": flavor_views.links_to(flavor_id)[1:]}


def _for_administrators(instance: Instance) -> dict:
    host = instance.host.name if instance.host else None
    return {
        "OS-EXT-SRV-ATTR:host": host,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": host,
        "OS-EXT-SRV-ATTR:instance_name": f"instance-{instance.id}",
    }
