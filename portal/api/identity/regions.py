"""The one region."""

from flask import jsonify

from portal import config
from portal.api import links
from portal.api.routes import Routes
from portal.errors import NotFound

routes = Routes(__name__, "/v3/regions")


@routes.get("")
def index():
    return jsonify(regions=[_region()], links=links.of_list())


@routes.get("/<region_id>")
def show(region_id):
    if region_id != config.current().region:
        raise NotFound("There is no such region.")
    return jsonify(region=_region())


def _region() -> dict:
    name = config.current().region
    href = links.to(f"/identity/v3/regions/{name}")
    return {"id": name, "description": "", "parent_region_id": None, "links": {"self": href}}
