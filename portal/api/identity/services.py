"""Which services there are, one by one."""

from flask import jsonify, request

from portal.api import catalog, links
from portal.api.routes import Routes
from portal.errors import NotFound

routes = Routes(__name__, "/v3/services")


@routes.get("")
def index():
    asked = {name: request.args[name] for name in ("type", "name") if name in request.args}
    found = [_shown(each) for each in catalog.served()]
    found = [each for each in found if asked.items() <= each.items()]
    return jsonify(services=found, links=links.of_list())


@routes.get("/<id:service_id>")
def show(service_id):
    for each in catalog.served():
        if each.id == service_id.hex:
            return jsonify(service=_shown(each))
    raise NotFound("There is no such service.")


def _shown(service: catalog.Service) -> dict:
    return {
        "id": service.id,
        "type": service.type,
        "name": service.name,
        "enabled": True,
        "description": "",
        "links": {"self": links.to(f"/identity/v3/services/{service.id}")},
    }
