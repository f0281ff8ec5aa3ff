"""An instance as code: the one that a form describes, and one that is there."""

import base64

from portal.models import Instance
from portal.pages.as_code import Code, Raw, curl, openstack, resource, template
from portal.services.instances import NewInstance

SERVERS = "/compute/v2.1/servers"
KIND = "openstack_compute_instance_v2"
UNGROUPED = "Where a program names no security group, an instance has the one called default."
PASTED = "The key that you pasted is not in it: add it under SSH keys, and name it here."


def to_create(wish: NewInstance, *, key: str, groups: list[str], pasted: bool) -> Code:
    """What makes what was filled in, whose key and groups have these names."""
    several = wish.count if wish.count > 1 else None
    body = {
        "name": wish.name,
        "flavorRef": str(wish.flavor_id or ""),
        "imageRef": str(wish.image_id or ""),
        "networks": [{"uuid": str(wish.network_id or "")}],
    }
    if groups:
        body["security_groups"] = [{"name": each} for each in groups]
    if key:
        body["key_name"] = key
    if wish.user_data:
        body["user_data"] = base64.b64encode(wish.user_data.encode()).decode()
    if wish.zone:
        body["availability_zone"] = wish.zone
    hints = {"group": str(wish.placement_group_id)} if wish.placement_group_id else {}
    if several:
        body |= {"min_count": several, "max_count": several}
    numbered = Raw(f'"{template(wish.name)}-${{count.index + 1}}"')
    remarks = [PASTED if pasted else "", "" if groups else UNGROUPED]
    return Code(
        command=openstack(
            *("server", "create", wish.name),
            piped=wish.user_data or None,
            image=wish.image_id,
            flavor=wish.flavor_id,
            network=wish.network_id,
            security_group=groups,
            key_name=key,
            user_data="/dev/stdin" if wish.user_data else None,
            availability_zone=wish.zone,
            hint=[f"{name}={each}" for name, each in hints.items()],
            min=several,
            max=several,
        ),
        request=curl(
            "POST", SERVERS, {"server": body} | ({"os:scheduler_hints": hints} if hints else {})
        ),
        terraform=resource(
            KIND,
            wish.name,
            {
                "count": several,
                "name": numbered if several else wish.name,
                "image_id": wish.image_id,
                "flavor_id": wish.flavor_id,
                "key_pair": key,
                "security_groups": groups,
                "user_data": wish.user_data,
                "availability_zone": wish.zone,
                "network": {"uuid": wish.network_id},
                **({"scheduler_hints": hints} if hints else {}),
            },
        ),
        remark=" ".join(filter(None, remarks)),
    )


def to_look_at(instance: Instance, *, knows_image: bool) -> Code:
    """What shows it, and takes it over into Terraform."""
    ports = instance.ports
    groups = sorted({group.name for port in ports for group in port.groups})
    return Code(
        command=openstack("server", "show", str(instance.id)),
        request=curl("GET", f"{SERVERS}/{instance.id}"),
        terraform=resource(
            KIND,
            instance.name,
            {
                "name": instance.name,
                "image_id": instance.image_id if knows_image else None,
                "flavor_name": instance.flavor_name,
                "key_pair": instance.key_name,
                "security_groups": groups,
                "network": [{"uuid": port.network_id} for port in ports],
            },
            imported=str(instance.id),
        ),
    )
