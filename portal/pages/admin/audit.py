"""Who did what in the whole cloud, for administrators."""

from flask import Blueprint, render_template, request
from flask_login import current_user

from portal.pages.listing import Listing
from portal.services import activities, projects

pages = Blueprint("audit", __name__, url_prefix="/audit")


@pages.get("")
def index():
    actor = current_user.actor
    listing = Listing.of_request(sorts=("created_at",), default="-created_at")
    rows, listing.total = activities.listed(
        actor, listing.asked(state=request.args.get("state", ""))
    )
    return render_template(
        "admin/audit/index.html",
        entries=rows,
        listing=listing,
        states=activities.STATES,
        project_names=projects.names_of(actor, {row.project_id for row in rows}),
    )
