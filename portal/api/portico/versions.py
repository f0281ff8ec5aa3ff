"""What versions of the API there are."""

from flask import jsonify

from portal.api import links
from portal.api.routes import Routes

routes = Routes(__name__, "")


@routes.get("")
def index():
    self_ = {"rel": "self", "href": links.to("/portico/v1/")}
    return jsonify(versions=[{"id": "v1", "status": "CURRENT", "links": [self_]}])
