"""Tags of images, one by one.

https://docs.openstack.org/api-ref/image/v2/#image-tags
"""

from flask import Response

from portal.api.routes import Routes
from portal.auth import tokens
from portal.services import images

routes = Routes(__name__, "/v2/images/<id:image_id>/tags/<tag>")


@routes.put("")
def tag(image_id, tag):
    """Puts a tag on an image."""
    actor = tokens.actor()
    images.tag(actor, actor.project_id, image_id, tag)
    return Response(status=204)


@routes.delete("")
def untag(image_id, tag):
    """Takes a tag from an image."""
    actor = tokens.actor()
    images.untag(actor, actor.project_id, image_id, tag)
    return Response(status=204)
