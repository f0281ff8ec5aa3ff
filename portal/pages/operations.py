"""Changes of a project: under way and past, each with its steps, its log and its reason."""

from flask import Blueprint, render_template
from flask_login import current_user

from portal.pages import navigation, partial
from portal.pages.listing import Listing
from portal.services import operations

pages = Blueprint("operations", __name__, url_prefix="/projects/<uuid:project_id>/operations")


@pages.get("")
def index(project_id):
    rows, listing = Listing.newest(operations.listed, project_id=project_id)
    return render_template(
        "operations/index.html", operations=rows, listing=listing, states=operations.STATES
    )


@pages.get("/under-way")
def under_way(project_id):
    """The number in the top bar, which is fetched anew until nothing is under way."""
    running = navigation.running(current_user, project_id)
    return render_template("_running.html", running_operations=running)


@pages.get("/<uuid:operation_id>")
def show(project_id, operation_id):
    operation = operations.find(current_user.actor, project_id, operation_id)
    template = "operations/_progress.html" if partial() else "operations/show.html"
    return render_template(template, operation=operation, spread=operations.spread(operation))
