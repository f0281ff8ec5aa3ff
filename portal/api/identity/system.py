"""Roles in the whole cloud, which clients call the system."""

from portal.api import roles
from portal.api.identity import grants
from portal.api.routes import Routes
from portal.auth import tokens
from portal.policies import authorize
from portal.services.grants import Level

USER, GROUP = "/users/<id:user_id>/roles", "/groups/<id:group_id>/roles"

routes = Routes(__name__, "/v3/system")


@routes.get(USER)
@routes.get(GROUP)
def list_roles(user_id=None, group_id=None):
    return grants.listed(None, grants.holder(user_id, group_id))


@routes.get(f"{USER}/<id:role_id>")
@routes.get(f"{GROUP}/<id:role_id>")
def check_role(role_id, user_id=None, group_id=None):
    return grants.checked(None, grants.holder(user_id, group_id), _level(role_id))


@routes.put(f"{USER}/<id:role_id>")
@routes.put(f"{GROUP}/<id:role_id>")
def give_role(role_id, user_id=None, group_id=None):
    return grants.given(None, grants.holder(user_id, group_id), _level(role_id))


@routes.delete(f"{USER}/<id:role_id>")
@routes.delete(f"{GROUP}/<id:role_id>")
def take_role(role_id, user_id=None, group_id=None):
    return grants.taken(None, grants.holder(user_id, group_id), _level(role_id))


def _level(role_id) -> Level:
    """The role in the cloud that is meant, for who may know who has which there."""
    authorize(tokens.actor(), "users:read")
    return roles.in_cloud(role_id)
