"""Who did what in the whole cloud, for administrators."""

from flask import Blueprint, render_template
from flask_login import current_user

from portal.pages.listing import Listing
from portal.services import activities, projects

pages = Blueprint("audit", __name__, url_prefix="/audit")


@pages.get("")
def index():
    rows, listing = Listing.newest(activities.listed)
    return render_template(
        "admin/audit/index.html",
        entries=rows,
        listing=listing,
        states=activities.STATES,
        project_names=projects.names_of(current_user.actor, {row.project_id for row in rows}),
    )
