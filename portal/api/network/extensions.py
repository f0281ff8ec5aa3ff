"""What is served beyond the core of the API: clients ask before they use it, so nothing is named
here that is not there.

https://docs.openstack.org/api-ref/network/v2/#extensions
"""

from flask import jsonify

from portal.api.routes import Routes
from portal.errors import NotFound

UPDATED = "2026-11-27T00:00:00-00:00"
SERVED = {
    "availability_zone": "Availability Zone",
    "net-mtu": "Network MTU",
    "pagination": "Pagination support",
    "project-id": "project_id field enabled",
    "quota_details": "Quota details management support",
    "quotas": "Quota management support",
    "security-group": "security-group",
    "sorting": "Sorting support",
    "standard-attr-description": "standard-attr-description",
    "standard-attr-tag": "Tag support for resources with standard attribute",
    "standard-attr-timestamp": "Resource timestamps",
}

routes = Routes(__name__, "/v2.0/extensions")


@routes.get("")
def index():
    return jsonify(extensions=[_shown(alias) for alias in SERVED])


@routes.get("/<alias>")
def show(alias):
    if alias not in SERVED:
        raise NotFound("There is no such extension here.")
    return jsonify(extension=_shown(alias))


def _shown(alias: str) -> dict:
    name = SERVED[alias]
    return {"alias": alias, "name": name, "description": name, "updated": UPDATED, "links": []}
