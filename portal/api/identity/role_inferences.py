"""Which role implies which."""

from flask import jsonify

from portal.api import links
from portal.api.identity import roles
from portal.api.routes import Routes

routes = Routes(__name__, "/v3/role_inferences")


@routes.get("")
def index():
    return jsonify(role_inferences=roles.inferences(), links={"self": links.here()})
