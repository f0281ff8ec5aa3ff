"""Images that the cloud would get by itself. It does so for what publishers offer, with a sum to
compare it with; whatever else there is comes in by its owner's hand.

https://docs.openstack.org/api-ref/image/v2/#interoperable-image-import
"""

from portal.api import faults
from portal.api.routes import Routes
from portal.auth import tokens
from portal.services import images

METHODS: tuple[str, ...] = ()

routes = Routes(__name__, "/v2/images/<id:image_id>/import")


@routes.post("")
def start(image_id):
    """Has a host fetch the file of an image."""
    actor = tokens.actor()
    images.awaiting(actor, actor.project_id, image_id)
    raise faults.bad(
        "Nothing is imported here: send the file itself, by PUT to the path that the image names "
        "as its file."
    )
