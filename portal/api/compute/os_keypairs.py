"""Public SSH keys of whoever asks, found by their names."""

from flask import Response, jsonify

from portal.api import bodies, microversions, schemas, wire
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import KeyPair
from portal.services import key_pairs

NAME = schemas.text(1, pattern="^[a-zA-Z0-9@._ -]+$")
OPTIONAL = {"public_key": schemas.text(0, key_pairs.LONGEST)}
TYPED = {"type": {"type": "string", "enum": ["ssh"]}}  # from 2.2
CREATE = schemas.fields({"keypair": schemas.fields({"name": NAME}, **OPTIONAL)})
CREATE_TYPED = schemas.fields({"keypair": schemas.fields({"name": NAME}, **OPTIONAL, **TYPED)})
CHANGES = {"type": ((2, 2), None)}

routes = Routes(__name__, "/v2.1/os-keypairs")


@routes.get("")
def index():
    found = key_pairs.of_actor(tokens.actor())
    return jsonify(keypairs=[{"keypair": brief(each)} for each in found])


@routes.post("")
def create():
    typed = microversions.agreed() >= (2, 2)
    wish = bodies.read(CREATE_TYPED if typed else CREATE)["keypair"]
    actor, private = tokens.actor(), None
    if wish.get("public_key"):
        key_pair = key_pairs.create(actor, wish["name"], wish["public_key"])
    else:
        key_pair, private = key_pairs.make(actor, wish["name"])
    said = brief(key_pair) | {"user_id": wire.short(key_pair.user_id)}
    answer = jsonify(keypair=said | ({"private_key": private} if private else {}))
    answer.status_code = 201 if typed else 200
    return answer


@routes.get("/<key_name>")
def show(key_name):
    key_pair = key_pairs.named(tokens.actor(), key_name)
    return jsonify(
        keypair=brief(key_pair)
        | {
            "id": key_pair.id.int % 2**31,  # a number, upstream; nothing is found by it
            "user_id": wire.short(key_pair.user_id),
            "created_at": wire.zoneless(key_pair.created_at),
            "updated_at": None,
            "deleted": False,
            "deleted_at": None,
        }
    )


@routes.delete("/<key_name>")
def delete(key_name):
    actor = tokens.actor()
    key_pairs.delete(actor, key_pairs.named(actor, key_name).id)
    return Response(status=204 if microversions.agreed() >= (2, 2) else 202)


def brief(key_pair: KeyPair) -> dict:
    """A key as it stands in a list."""
    shown = {
        "name": key_pair.name,
        "type": "ssh",
        "public_key": key_pair.public_key,
        "fingerprint": key_pair.fingerprint,
    }
    return microversions.fitting(shown, CHANGES)
