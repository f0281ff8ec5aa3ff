"""Where each service is reached."""

from flask import jsonify, request

from portal.api import catalog, links
from portal.api.routes import Routes
from portal.errors import NotFound

routes = Routes(__name__, "/v3/endpoints")


@routes.get("")
def index():
    names = ("interface", "service_id", "region_id")
    asked = {name: request.args[name] for name in names if name in request.args}
    found = [each for each in _all() if asked.items() <= each.items()]
    return jsonify(endpoints=found, links=links.of_list())


@routes.get("/<id:endpoint_id>")
def show(endpoint_id):
    for each in _all():
        if each["id"] == endpoint_id.hex:
            return jsonify(endpoint=each)
    raise NotFound("There is no such endpoint.")


def _all() -> list[dict]:
    return [
        endpoint
        | {
            "service_id": service.id,
            "enabled": True,
            "links": {"self": links.to(f"/identity/v3/endpoints/{endpoint['id']}")},
        }
        for service in catalog.served()
        for endpoint in map(service.endpoint, catalog.INTERFACES)
    ]
