"""Whether anything may start from an image.

https://docs.openstack.org/api-ref/image/v2/#deactivate-image
"""

from flask import Response

from portal.api.routes import Routes
from portal.auth import tokens
from portal.services import images

routes = Routes(__name__, "/v2/images/<id:image_id>/actions")


@routes.post("/deactivate")
def deactivate(image_id):
    """Keeps the file of an image back from everybody."""
    actor = tokens.actor()
    images.activate(actor, actor.project_id, image_id, active=False)
    return Response(status=204)


@routes.post("/reactivate")
def reactivate(image_id):
    """Gives the file of an image out again."""
    actor = tokens.actor()
    images.activate(actor, actor.project_id, image_id)
    return Response(status=204)
