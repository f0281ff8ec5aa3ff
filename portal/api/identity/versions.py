"""What versions of the API there are: the first thing that clients ask for."""

from flask import jsonify

from portal.api import links
from portal.api.routes import Routes

VERSION, UPDATED = "v3.14", "2020-04-07T00:00:00Z"

routes = Routes(__name__, "")


@routes.get("")
def index():
    answer = jsonify(versions={"values": [_version()]})
    answer.status_code = 300
    return answer


@routes.get("/v3")
def show():
    return jsonify(version=_version())


def _version() -> dict:
    return {
        "id": VERSION,
        "status": "stable",
        "updated": UPDATED,
        "links": [{"rel": "self", "href": links.to("/identity/v3/")}],
        "media-types": [
            {"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}
        ],
    }
