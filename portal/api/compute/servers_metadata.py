"""The properties of a server, all of them and one by one."""

from flask import Response, jsonify

from portal.api import bodies, faults, schemas
from portal.api.compute.places import project_of
from portal.api.compute.servers import METADATA
from portal.api.routes import Routes
from portal.auth import tokens
from portal.errors import NotFound
from portal.services import instances
from portal.services.details import Details

ALL = schemas.fields({"metadata": METADATA})
ONE = schemas.fields({"meta": METADATA})

routes = Routes(__name__, "/v2.1/servers/<id:server_id>/metadata")


@routes.get("")
def index(server_id):
    return jsonify(metadata=_properties(server_id))


@routes.post("")
def add(server_id):
    more = bodies.read(ALL)["metadata"]
    noted = instances.note(tokens.actor(), project_of(server_id), server_id, more)
    return jsonify(metadata=noted.properties)


@routes.put("")
def replace(server_id):
    details = Details(properties=bodies.read(ALL)["metadata"])
    described = instances.describe(tokens.actor(), project_of(server_id), server_id, details)
    return jsonify(metadata=described.properties)


@routes.get("/<property_name>")
def show(server_id, property_name):
    """Shows one property of a server."""
    properties = _properties(server_id)
    if property_name not in properties:
        raise NotFound("Metadata item was not found")
    return jsonify(meta={property_name: properties[property_name]})


@routes.put("/<property_name>")
def set_one(server_id, property_name):
    """Sets one property of a server."""
    meta = bodies.read(ONE)["meta"]
    if list(meta) != [property_name]:
        raise faults.bad("Request body and URI mismatch")
    instances.note(tokens.actor(), project_of(server_id), server_id, meta)
    return jsonify(meta=meta)


@routes.delete("/<property_name>")
def delete(server_id, property_name):
    """Takes one property from a server."""
    instances.note(tokens.actor(), project_of(server_id), server_id, {}, without=[property_name])
    return Response(status=204)


def _properties(server_id) -> dict:
    return instances.find(tokens.actor(), tokens.actor().project_id, server_id).properties
