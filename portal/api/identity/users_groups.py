"""The groups that somebody is in."""

from flask import jsonify

from portal.api import links
from portal.api.identity.groups import shown
from portal.api.routes import Routes
from portal.auth import tokens
from portal.services import groups

routes = Routes(__name__, "/v3/users/<id:user_id>/groups")


@routes.get("")
def index(user_id):
    found = groups.of_user(tokens.actor(), user_id)
    return jsonify(groups=[shown(each) for each in found], links=links.of_list())
