"""A body for every route of the API that takes one: enough for it to be understood.

A new route that takes a body needs a line here; the laws over all routes send it.
"""

from sqlalchemy import select

from portal.db import session
from portal.models import Network
from tests.cloud import PASSWORD
from tests.programs import by_password


def new_subnet() -> dict:
    """Of a network that red has, whoever asks."""
    network_id = session.scalar(select(Network.id).where(Network.name == "of-red"))
    subnet = {"network_id": str(network_id), "cidr": "10.66.0.0/24", "ip_version": 4}
    return {"subnet": subnet}


BODIES = {
    "identity.auth.issue": by_password("alice", "red"),
    "identity.projects.create": {"project": {"name": "green"}},
    "identity.users.create": {"user": {"name": "dora", "password": PASSWORD}},
    "identity.users.change": {"user": {"enabled": True}},
    "identity.users.change_password": {
        "user": {"original_password": PASSWORD, "password": "lantern 7 gravel orchid moth"}
    },
    "identity.users_application_credentials.create": {
        "application_credential": {"name": "for a program"}
    },
    "network.networks.create": {"network": {"name": "lan"}},
    "network.subnets.create": new_subnet,
}
