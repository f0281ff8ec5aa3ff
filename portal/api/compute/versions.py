"""What versions of the API there are: the first thing that clients ask for."""

from flask import jsonify

from portal.api import links, microversions
from portal.api.routes import Routes

UPDATED = "2013-07-23T11:33:21Z"
MEDIA_TYPE = "application/vnd.openstack.compute+json;version=2.1"

routes = Routes(__name__, "")


@routes.get("")
def index():
    return jsonify(versions=[_version()])


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
        "links": [{"rel": "self", "href": links.to("/compute/v2.1/")}],
    }
