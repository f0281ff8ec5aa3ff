"""Public SSH keys of whoever asks, found by their names; administrators of the cloud may ask for
somebody else's."""

from flask import Response, jsonify, request

from portal.api import bodies, faults, links, lists, microversions, schemas, wire
from portal.api.routes import Routes
from portal.auth import tokens
from portal.errors import NotFound
from portal.models import KeyPair
from portal.services import certificates, key_pairs

NAMES = {  # of new keys, from which version
    (2, 1): schemas.text(1, pattern="^[a-zA-Z0-9_ -]+$"),
    (2, 92): schemas.text(1, pattern="^[a-zA-Z0-9@._ -]+$"),
}
PUBLIC_KEY = schemas.text(0, key_pairs.LONGEST)
LATER = {  # what a wish may hold from which version
    "type": ((2, 2), {"type": "string", "enum": ["ssh", "x509"]}),
    "user_id": ((2, 10), schemas.text(1)),
}
CHANGES = {"type": ((2, 2), None)}

routes = Routes(__name__, "/v2.1/os-keypairs")


@routes.get("")
def index():
    actor, owner_id, paged = tokens.actor(), _owner(), microversions.agreed() >= (2, 35)
    marker = request.args.get("marker") if paged else None
    limit = lists.limit(lists.MOST) if paged else lists.MOST
    found, more = key_pairs.listed(actor, owner_id, limit=limit, after=_marked(marker, owner_id))
    body = {"keypairs": [{"keypair": brief(each)} for each in found]}
    if more and paged and found:
        href = links.here(marker=found[-1].name)
        body["keypairs_links"] = [{"rel": "next", "href": href}]
    return jsonify(body)


@routes.post("")
def create():
    wish = bodies.read(_schema())["keypair"]
    actor, private = tokens.actor(), None
    owner_id = _id_of(wish["user_id"]) if "user_id" in wish else None
    kind = {"owner_id": owner_id, "certificate": wish.get("type") == "x509"}
    if wish.get("public_key"):
        key_pair = key_pairs.create(actor, wish["name"], wish["public_key"], **kind)
    else:
        key_pair, private = key_pairs.make(actor, wish["name"], **kind)
    said = brief(key_pair) | {"user_id": wire.short(key_pair.user_id)}
    answer = jsonify(keypair=said | ({"private_key": private} if private else {}))
    answer.status_code = 201 if microversions.agreed() >= (2, 2) else 200
    return answer


@routes.get("/<key_name>")
def show(key_name):
    key_pair = key_pairs.named(tokens.actor(), key_name, owner_id=_owner())
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
    key_pairs.delete_named(tokens.actor(), key_name, owner_id=_owner())
    return Response(status=204 if microversions.agreed() >= (2, 2) else 202)


def brief(key_pair: KeyPair) -> dict:
    """A key as it stands in a list."""
    shown = {
        "name": key_pair.name,
        "type": "x509" if certificates.is_one(key_pair) else "ssh",
        "public_key": key_pair.public_key,
        "fingerprint": key_pair.fingerprint,
    }
    return microversions.fitting(shown, CHANGES)


def _schema() -> dict:
    version = microversions.agreed()
    name = NAMES[max(first for first in NAMES if version >= first)]
    later = {each: schema for each, (first, schema) in LATER.items() if version >= first}
    if version >= (2, 92):
        needed, optional = {"name": name, "public_key": PUBLIC_KEY | {"minLength": 1}}, {}
    else:
        needed, optional = {"name": name}, {"public_key": PUBLIC_KEY}
    return schemas.fields({"keypair": schemas.fields(needed, **optional, **later)})


def _owner():
    """Whose keys are asked for; None for those of whoever asks."""
    if microversions.agreed() >= (2, 75):
        lists.refuse_others(("limit", "marker", "user_id"))
    named = request.args.get("user_id")
    return _id_of(named) if named and microversions.agreed() >= (2, 10) else None


def _id_of(text: str):
    return wire.as_id(text) or lists.NEVER


def _marked(name: str | None, owner_id):
    """The id of the key that a list goes on behind."""
    if not name:
        return None
    try:
        return key_pairs.named(tokens.actor(), name, owner_id=owner_id).id
    except NotFound:
        raise faults.bad(f"The marker {name[:80]!r} is not in this list: begin it anew.") from None
