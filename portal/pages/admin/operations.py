"""Changes in all projects, and the cloud's own, for administrators."""

from flask import Blueprint, render_template, request
from flask_login import current_user

from portal.pages.listing import Listing
from portal.services import operations, projects

pages = Blueprint("operations", __name__, url_prefix="/operations")


@pages.get("")
def index():
    actor = current_user.actor
    listing = Listing.of_request(sorts=("created_at",), default="-created_at")
    rows, listing.total = operations.listed(
        actor, listing.asked(state=request.args.get("state", ""))
    )
    return render_template(
        "admin/operations/index.html",
        operations=rows,
        listing=listing,
        states=operations.STATES,
        project_names=projects.names_of(actor, {row.project_id for row in rows}),
    )
