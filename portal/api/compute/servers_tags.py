"""The tags of a server, all of them and one by one: there from 2.26 on.

https://docs.openstack.org/api-ref/compute/#server-tags-servers-tags
"""

from flask import Response, jsonify

from portal.api import bodies, links, lists, microversions, schemas
from portal.api.compute.places import project_of
from portal.api.routes import Routes
from portal.auth import tokens
from portal.errors import NotFound
from portal.services import instances
from portal.services.details import MOST_TAGS, TAG_LONGEST, Details

SINCE = (2, 26)
TAG = schemas.text(1, TAG_LONGEST, pattern="^[^,/]*$")
ALL = schemas.fields({"tags": {"type": "array", "items": TAG, "maxItems": MOST_TAGS}})

routes = Routes(__name__, "/v2.1/servers/<id:server_id>/tags")


@routes.get("")
@microversions.only(SINCE)
def index(server_id):
    return jsonify(tags=_tags(server_id))


@routes.put("")
@microversions.only(SINCE)
def replace(server_id):
    return jsonify(tags=_describe(server_id, bodies.read(ALL)["tags"]))


@routes.delete("")
@microversions.only(SINCE)
def clear(server_id):
    """Takes all tags from a server."""
    _describe(server_id, [])
    return Response(status=204)


@routes.get("/<tag>")
@microversions.only(SINCE)
def show(server_id, tag):
    if tag not in _tags(server_id):
        raise NotFound("Server {server} has no tag '{tag}'", server=server_id, tag=tag)
    return Response(status=204)


@routes.put("/<tag>")
@microversions.only(SINCE)
def add(server_id, tag):
    new = instances.tag(tokens.actor(), project_of(server_id), server_id, lists.text(tag))
    answer = Response(status=201 if new else 204)
    answer.headers["Location"] = links.here()
    return answer


@routes.delete("/<tag>")
@microversions.only(SINCE)
def delete(server_id, tag):
    instances.untag(tokens.actor(), project_of(server_id), server_id, tag)
    return Response(status=204)


def _tags(server_id) -> list[str]:
    return instances.find(tokens.actor(), tokens.actor().project_id, server_id).tags


def _describe(server_id, tags: list[str]) -> list[str]:
    details = Details(tags=tags)
    return instances.describe(tokens.actor(), project_of(server_id), server_id, details).tags
