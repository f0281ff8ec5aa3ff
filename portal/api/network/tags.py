"""Tags of what there is on networks: all at once, and one by one.

https://docs.openstack.org/api-ref/network/v2/#standard-attributes-tag-extension
"""

from collections.abc import Callable

from flask import Response, jsonify

from portal.api import bodies, lists, schemas
from portal.api.routes import Routes
from portal.errors import NotFound

Revise = Callable[[list[str]], list[str]]  # of the tags that there are, makes those there shall be
SCHEMA = schemas.fields({"tags": {"type": "array", "items": schemas.text(1)}})
FILTERS = {
    "tags": ("tags", lists.text),
    "tags-any": ("tags_any", lists.text),
    "not-tags": ("not_tags", lists.text),
    "not-tags-any": ("not_tags_any", lists.text),
}


def serve(
    routes: Routes, thing: str, read: Callable[..., list[str]], write: Callable[..., None]
) -> None:
    """`routes` serve the tags of each thing, whose id is called `thing` in paths. `read` has them
    by that, `write` takes it and a Revise."""
    every, one = f"/<id:{thing}>/tags", f"/<id:{thing}>/tags/<tag>"

    @routes.get(every)
    def tags(**thing_id):
        """Lists the tags of a thing."""
        return jsonify(tags=read(**thing_id))

    @routes.put(every)
    def set_tags(**thing_id):
        """Sets the tags of a thing."""
        wish = bodies.read(SCHEMA)["tags"]
        write(lambda _: wish, **thing_id)
        return jsonify(tags=read(**thing_id))

    @routes.delete(every)
    def drop_tags(**thing_id):
        """Takes all tags from a thing."""
        write(lambda _: [], **thing_id)
        return Response(status=204)

    @routes.get(one)
    def has_tag(tag, **thing_id):
        """Says whether a thing has a tag."""
        _check(read(**thing_id), tag)
        return Response(status=204)

    @routes.put(one)
    def tag(tag, **thing_id):
        """Gives a thing a tag."""
        write(lambda there: [*there, tag], **thing_id)
        return Response(status=201)

    @routes.delete(one)
    def untag(tag, **thing_id):
        """Takes a tag from a thing."""
        write(lambda there: [each for each in _check(there, tag) if each != tag], **thing_id)
        return Response(status=204)


def _check(tags: list[str], tag: str) -> list[str]:
    """The tags. Raises NotFound unless this is one of them."""
    if tag not in tags:
        raise NotFound("It has no tag {tag}.", tag=tag[:80])
    return tags
