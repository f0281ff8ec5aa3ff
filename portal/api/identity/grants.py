"""What the routes by which roles are given have in common, in a project and in the whole cloud."""

import uuid

from flask import Response, jsonify

from portal.api import links, roles
from portal.api.identity.roles import shown
from portal.auth import tokens
from portal.models import Group, User
from portal.services import grants
from portal.services.grants import Holder, Level


def holder(user_id: uuid.UUID | None, group_id: uuid.UUID | None) -> Holder:
    """Whose role the URL speaks of."""
    return Holder(User, user_id) if user_id else Holder(Group, group_id)


def listed(project_id: uuid.UUID | None, whom: Holder) -> Response:
    """The role that was given there, alone: what it implies is not listed with it."""
    held = grants.of_holder(tokens.actor(), project_id, whom)
    found = [shown(roles.of(held))] if held else []
    return jsonify(roles=found, links=links.of_list())


def checked(project_id: uuid.UUID | None, whom: Holder, level: Level) -> Response:
    """204 where they have it."""
    grants.held(tokens.actor(), project_id, whom, level)
    return Response(status=204)


def given(project_id: uuid.UUID | None, whom: Holder, level: Level) -> Response:
    """204: they have it now."""
    grants.give(tokens.actor(), project_id, whom, level)
    return Response(status=204)


def taken(project_id: uuid.UUID | None, whom: Holder, level: Level) -> Response:
    """204: they have it no more."""
    grants.take(tokens.actor(), project_id, whom, level)
    return Response(status=204)
