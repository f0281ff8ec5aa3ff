"""The security groups of a server."""

from flask import jsonify

from portal.api.compute import os_security_groups
from portal.api.routes import Routes
from portal.auth import tokens
from portal.services.instances import groups

routes = Routes(__name__, "/v2.1/servers/<id:server_id>/os-security-groups")


@routes.get("")
def index(server_id):
    actor = tokens.actor()
    found = groups.groups_of(actor, actor.project_id, server_id)
    return jsonify(security_groups=os_security_groups.shown(found))
