"""Who did what in a project."""

from flask import Blueprint, render_template

from portal.pages.listing import Listing
from portal.services import activities

pages = Blueprint("activities", __name__, url_prefix="/projects/<uuid:project_id>/activity")


@pages.get("")
def index(project_id):
    rows, listing = Listing.newest(activities.listed, project_id=project_id)
    return render_template(
        "activities/index.html", entries=rows, listing=listing, states=activities.STATES
    )
