"""What versions of the API there are: the first thing that clients ask for."""

from flask import jsonify

from portal.api import links, microversions
from portal.api.routes import Routes

UPDATED = "2013-07-23T11:33:21Z"
MEDIA_TYPE = "application/vnd.openstack.compute+json;version=2.1"
OLDER = {  # named, and not served
    "id": "v2.0",
    "status": "DEPRECATED",
    "version": "",
    "min_version": "",
    "updated": "2011-01-21T11:33:21Z",
}

routes = Routes(__name__, "")


@routes.get("")
def index():
    """Says which versions there are: clients expect the one before first, which is no more."""
    return jsonify(versions=[OLDER | {"links": _links("v2")}, _version()])


@routes.get("/v2")
def show_older():
    return jsonify(version=OLDER | {"links": _links("v2")})


@routes.get("/v2.1")
def show():
    media = {"base": "application/json", "type": MEDIA_TYPE}
    return jsonify(version={**_version(), "media-types": [media]})


def _version() -> dict:
    served = microversions.RANGES["compute"]
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": str(served.most),
        "min_version": str(served.least),
        "updated": UPDATED,
        "links": _links("v2.1"),
    }


def _links(path: str) -> list[dict]:
    return [{"rel": "self", "href": links.to(f"/compute/{path}/")}]
