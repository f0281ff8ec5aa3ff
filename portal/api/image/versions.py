"""What versions of the API there are: the first thing that clients ask for."""

from flask import jsonify

from portal.api import links
from portal.api.routes import Routes

CURRENT, SUPPORTED = "v2.9", ("v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0")

routes = Routes(__name__, "")


@routes.get("")
def index():
    answer = show()
    answer.status_code = 300
    return answer


@routes.get("/versions")
def show():
    here = [{"rel": "self", "href": links.to("/image/v2/")}]
    states = {CURRENT: "CURRENT"} | dict.fromkeys(SUPPORTED, "SUPPORTED")
    return jsonify(
        versions=[{"id": id_, "status": status, "links": here} for id_, status in states.items()]
    )
