"""What lies under /admin: the whole cloud, for its administrators and for who may look at it."""

from flask import Blueprint

from portal.pages import blueprints

pages = Blueprint("admin", __name__, url_prefix="/admin")

for blueprint in blueprints(__name__, __path__):
    pages.register_blueprint(blueprint)
