"""What there is of ways in, and of places where bytes are kept.

https://docs.openstack.org/api-ref/image/v2/#image-service-info-discovery
"""

from flask import jsonify

from portal.api.image import images_import
from portal.api.routes import Routes

STORE = {"id": "images", "description": "The image store", "default": "true"}

routes = Routes(__name__, "/v2/info")


@routes.get("/import")
def show_import():
    said = {"description": "Import methods available.", "type": "array"}
    return jsonify({"import-methods": said | {"value": list(images_import.METHODS)}})


@routes.get("/stores")
def show_stores():
    return jsonify(stores=[STORE])
