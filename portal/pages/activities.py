"""Who did what in a project."""

from flask import Blueprint, render_template, request
from flask_login import current_user

from portal.pages.listing import Listing
from portal.services import activities

pages = Blueprint("activities", __name__, url_prefix="/projects/<uuid:project_id>/activity")


@pages.get("")
def index(project_id):
    listing = Listing.of_request(sorts=("created_at",), default="-created_at")
    rows, listing.total = activities.listed(
        current_user.actor,
        listing.asked(state=request.args.get("state", "")),
        project_id=project_id,
    )
    return render_template(
        "activities/index.html", entries=rows, listing=listing, states=activities.STATES
    )
