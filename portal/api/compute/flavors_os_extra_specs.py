"""The extra specs of a flavor, all of them and one by one."""

from flask import Response, jsonify

from portal.api import bodies, faults, microversions, schemas
from portal.api.routes import Routes
from portal.auth import tokens
from portal.errors import NotFound
from portal.services import flavors

NAME = schemas.text(1, pattern="^[a-zA-Z0-9_:. -]{1,255}$")
VALUE = {"type": ["string", "number"], "maxLength": 255}
SPECS = {"type": "object", "propertyNames": NAME, "additionalProperties": VALUE}
ALL = schemas.fields({"extra_specs": SPECS})
ONE = SPECS | {"minProperties": 1, "maxProperties": 1}
COUNT = {"type": "string", "pattern": "^[1-9][0-9]*$"}
KNOWN = {  # what may stand there from 2.86 on, of what upstream knows
    "hw:cpu_policy": {"type": "string", "enum": ["dedicated", "mixed", "shared"]},
    "hw:cpu_thread_policy": {"type": "string", "enum": ["isolate", "prefer", "require"]},
    **dict.fromkeys(("hw:cpu_cores", "hw:cpu_sockets", "hw:cpu_threads", "hw:numa_nodes"), COUNT),
}

routes = Routes(__name__, "/v2.1/flavors/<flavor_id>/os-extra_specs")


@routes.get("")
def index(flavor_id):
    return jsonify(extra_specs=_specs(flavor_id))


@routes.post("")
def add(flavor_id):
    specs = _read(bodies.read(ALL)["extra_specs"])
    flavors.specify(tokens.actor(), flavor_id, specs)
    return jsonify(extra_specs=specs)


@routes.get("/<spec_name>")
def show(flavor_id, spec_name):
    specs = _specs(flavor_id)
    if spec_name not in specs:
        raise NotFound(
            "Flavor {flavor} has no extra specs with key {name}.", flavor=flavor_id, name=spec_name
        )
    return jsonify({spec_name: specs[spec_name]})


@routes.put("/<spec_name>")
def set_one(flavor_id, spec_name):
    body = bodies.read(ONE)
    if list(body) != [spec_name]:
        raise faults.bad("Request body and URI mismatch")
    specs = _read(body)
    flavors.specify(tokens.actor(), flavor_id, specs)
    return jsonify(specs)


@routes.delete("/<spec_name>")
def delete(flavor_id, spec_name):
    flavors.specify(tokens.actor(), flavor_id, {}, without=[spec_name])
    return Response(status=200)


def _specs(flavor_id: str) -> dict:
    actor = tokens.actor()
    return flavors.show(actor, actor.project_id, flavor_id).extra_specs


def _read(wish: dict) -> dict[str, str]:
    specs = {name: str(value) for name, value in wish.items()}
    if microversions.agreed() >= (2, 86):
        for name, text in specs.items():
            if wrong := schemas.mistake({name: text}, {"properties": KNOWN}):
                raise faults.bad(f"Validation failed; extra spec '{name}' is not valid. {wrong}")
    return specs
