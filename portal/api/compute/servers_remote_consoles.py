"""Addresses at which a browser shows the screen of a server, once.

https://docs.openstack.org/api-ref/compute/#create-console
"""

import uuid

from flask import jsonify, request, url_for

from portal.api import bodies, faults, links, microversions, schemas
from portal.api.compute.places import project_of
from portal.api.routes import Routes
from portal.auth import tokens
from portal.policies import Actor
from portal.services import consoles

PROTOCOL, KIND = "vnc", "novnc"  # of the only screens that there are
PROTOCOLS = [PROTOCOL, "spice", "serial", "rdp", "mks"]
KINDS = [KIND, "xvpvnc", "spice-html5", "serial", "rdp-html5", "webmks"]
WISH = schemas.fields(
    {
        "remote_console": schemas.fields(
            {
                "protocol": {"type": "string", "enum": PROTOCOLS},
                "type": {"type": "string", "enum": KINDS},
            }
        )
    }
)

routes = Routes(__name__, "/v2.1/servers/<id:server_id>/remote-consoles")


@routes.post("")
@microversions.only((2, 6))
def create(server_id):
    wish = bodies.read(WISH)["remote_console"]
    if wish["protocol"] != PROTOCOL:
        refuse(wish["type"])
    url = url_of(tokens.actor(), project_of(server_id), server_id, wish["type"])
    return jsonify(remote_console=wish | {"url": url})


def url_of(actor: Actor, project_id: uuid.UUID, server_id: uuid.UUID, kind: str) -> str:
    """The address at which the screen of the server is seen. Raises Fault for a kind of screen that
    no server has here."""
    if kind != KIND:
        refuse(kind)
    ticket = consoles.bearer_ticket(
        actor,
        project_id,
        server_id,
        token_id=tokens.shown().token_id,
        origin=request.host_url.rstrip("/"),
    )
    return links.to(f"{url_for('screens.show')}#{ticket}")


def refuse(kind: str) -> None:
    """Raises Fault: there is no such console."""
    raise faults.bad(f"Unavailable console type {kind}.")
