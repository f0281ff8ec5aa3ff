"""Host aggregates, for administrators. A zone is what the aggregate's `availability_zone` says,
which is among its metadata too.

https://docs.openstack.org/api-ref/compute/#host-aggregates-os-aggregates
"""

from flask import Response, jsonify

from portal.api import bodies, microversions, schemas, wire
from portal.api.compute import numbered
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import Aggregate
from portal.services import aggregates

ZONE = "availability_zone"
NAME = schemas.text(1)
MAYBE_NAME = schemas.maybe(NAME)
METADATA = {
    "type": "object",
    "propertyNames": schemas.text(1),
    "additionalProperties": schemas.maybe(schemas.text()),
}
HOST = schemas.fields({"host": NAME})
ACTIONS = schemas.fields(
    add_host=HOST, remove_host=HOST, set_metadata=schemas.fields({"metadata": METADATA})
) | {"minProperties": 1, "maxProperties": 1}
BY_UUID = {"uuid": ((2, 41), None)}

routes = Routes(__name__, "/v2.1/os-aggregates")


@routes.get("")
def index():
    return jsonify(aggregates=[_shown(each) for each in aggregates.every(tokens.actor())])


@routes.post("")
def create():
    known = schemas.fields({"name": NAME}, **{ZONE: MAYBE_NAME})
    wish = bodies.read(schemas.fields({"aggregate": known}))["aggregate"]
    made = aggregates.create(tokens.actor(), wish["name"], wish.get(ZONE) or "")
    return jsonify(aggregate=_brief(made))


@routes.get("/<aggregate_number>")
def show(aggregate_number):
    return jsonify(aggregate=_shown(_find(aggregate_number)))


@routes.put("/<aggregate_number>")
def update(aggregate_number):
    known = schemas.fields(name=NAME, **{ZONE: MAYBE_NAME}) | {"minProperties": 1}
    wish = bodies.read(schemas.fields({"aggregate": known}))["aggregate"]
    zone = (wish[ZONE] or "") if ZONE in wish else None
    found = _find(aggregate_number)
    return _answer(aggregates.change(tokens.actor(), found.id, name=wish.get("name"), zone=zone))


@routes.delete("/<aggregate_number>")
def delete(aggregate_number):
    aggregates.delete(tokens.actor(), _find(aggregate_number).id)
    return Response(status=200)


@routes.post("/<aggregate_number>/action")
def act(aggregate_number):
    """Puts a host into an aggregate, takes it out, or sets what is said of the aggregate."""
    [(action, wish)] = bodies.read(ACTIONS).items()
    actor, found = tokens.actor(), _find(aggregate_number)
    match action:
        case "add_host":
            return _answer(aggregates.add_host(actor, found.id, wish["host"]))
        case "remove_host":
            return _answer(aggregates.remove_host(actor, found.id, wish["host"]))
    return _answer(_set_metadata(found, wish["metadata"]))


def _set_metadata(aggregate: Aggregate, metadata: dict) -> Aggregate:
    """What is null is taken away, what is not named stays."""
    properties = {name: value for name, value in metadata.items() if name != ZONE}
    zone = (metadata[ZONE] or "") if ZONE in metadata else None
    return aggregates.change(tokens.actor(), aggregate.id, zone=zone, properties=properties)


def _find(aggregate_number: str) -> Aggregate:
    return numbered.of_number(
        aggregates.every(tokens.actor()),
        aggregate_number,
        f"Aggregate {aggregate_number[:80]} could not be found.",
    )


def _answer(aggregate: Aggregate) -> Response:
    return jsonify(aggregate=_shown(aggregate))


def _brief(aggregate: Aggregate) -> dict:
    whole = {
        "id": wire.number(aggregate.id),
        "uuid": str(aggregate.id),
        "name": aggregate.name,
        ZONE: aggregate.zone or None,
        "created_at": wire.zoneless(aggregate.created_at),
        "updated_at": wire.zoneless(aggregate.updated_at),
        "deleted": False,
        "deleted_at": None,
    }
    return microversions.fitting(whole, BY_UUID)


def _shown(aggregate: Aggregate) -> dict:
    zone = {ZONE: aggregate.zone} if aggregate.zone else {}
    return _brief(aggregate) | {
        "hosts": [each.name for each in aggregate.hosts],
        "metadata": aggregate.properties | zone,
    }
