"""Changes in all projects, and the cloud's own, for administrators."""

from flask import Blueprint, render_template
from flask_login import current_user

from portal.pages import partial
from portal.pages.listing import Listing
from portal.pages.operations import progress
from portal.services import operations, projects

pages = Blueprint("operations", __name__, url_prefix="/operations")


@pages.get("")
def index():
    rows, listing = Listing.newest(operations.listed)
    return render_template(
        "admin/operations/index.html",
        operations=rows,
        listing=listing,
        states=operations.STATES,
        project_names=projects.names_of(current_user.actor, {row.project_id for row in rows}),
    )


@pages.get("/<uuid:operation_id>")
def show(operation_id):
    operation = operations.find(current_user.actor, None, operation_id)
    template = "admin/operations/_progress.html" if partial() else "admin/operations/show.html"
    return render_template(template, **progress(operation))
