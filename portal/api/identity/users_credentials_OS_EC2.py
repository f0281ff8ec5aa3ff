"""Access keys by which a user's programs sign single requests, for EC2 and S3."""

from flask import Response, jsonify

from portal.api import bodies, links, wire
from portal.api.routes import Routes
from portal.api.schemas import ID, fields
from portal.auth import tokens
from portal.models import AccessKey
from portal.services import access_keys

SCHEMA = fields({"tenant_id": ID})

routes = Routes(__name__, "/v3/users/<id:user_id>/credentials/OS-EC2")


@routes.get("")
def index(user_id):
    found = access_keys.of_user(tokens.actor(), user_id)
    return jsonify(credentials=[_shown(each) for each in found], links=links.of_list())


@routes.post("")
def create(user_id):
    project_id = wire.as_id(bodies.read(SCHEMA)["tenant_id"])
    made = access_keys.create(tokens.actor(), user_id, project_id, key=bodies.idempotency_key())
    return jsonify(credential=_shown(made)), 201


@routes.get("/<access>")
def show(user_id, access):
    return jsonify(credential=_shown(access_keys.find(tokens.actor(), user_id, access)))


@routes.delete("/<access>")
def delete(user_id, access):
    access_keys.delete(tokens.actor(), user_id, access)
    return Response(status=204)


def _shown(key: AccessKey) -> dict:
    user = wire.short(key.user_id)
    return {
        "access": key.access,
        "secret": access_keys.secret_of(tokens.actor(), key),
        "user_id": user,
        "tenant_id": wire.short(key.project_id),
        "trust_id": None,
        "links": {"self": links.to(f"/identity/v3/users/{user}/credentials/OS-EC2/{key.access}")},
    }
