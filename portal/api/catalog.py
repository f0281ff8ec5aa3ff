"""Which services there are, and where: the catalog that comes with every token."""

import dataclasses
import uuid

from flask import current_app

from portal import config
from portal.api import links

SERVED = "portico served"  # in `app.extensions`: keys of the services that serve something
INTERFACES = ("public", "internal", "admin")


@dataclasses.dataclass(frozen=True)
class Service:
    """A service as clients know it. Its `key` is its door, its folder and the root of its URL."""

    key: str
    type: str
    name: str
    version: str = ""  # the part of its URL after the key

    @property
    def id(self) -> str:
        """Always the same for one service."""
        return id_of(self.type).hex

    def endpoint(self, interface: str) -> dict:
        """Where it is reached, as the catalog has it. All interfaces are one here."""
        region = config.current().region
        return {
            "id": id_of(f"{self.type} {interface}").hex,
            "interface": interface,
            "region": region,
            "region_id": region,
            "url": links.to(f"/{self.key}{self.version}"),
        }


SERVICES = (
    Service("identity", "identity", "keystone", "/v3"),
    Service("compute", "compute", "nova", "/v2.1"),
    Service("network", "network", "neutron"),
    Service("image", "image", "glance"),
)

OWN = Service("portico", "portico", "portico", "/v1")  # what no client looks for in a catalog
DOORS = (*SERVICES, OWN)


def served() -> list[Service]:
    """The services that serve something; to what does not exist yet, no client is sent."""
    return [each for each in SERVICES if each.key in current_app.extensions[SERVED]]


def entries() -> list[dict]:
    """The catalog as a token brings it."""
    return [
        {
            "id": each.id,
            "type": each.type,
            "name": each.name,
            "endpoints": [each.endpoint(interface) for interface in INTERFACES],
        }
        for each in served()
    ]


def id_of(text: str) -> uuid.UUID:
    """The id of the service of this type, or of its endpoint ("identity public"): never another."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"portico:{text}")
