"""Changes of a project: under way and past, each with its steps, its log and its reason."""

import contextlib

from flask import Blueprint, render_template, url_for
from flask_login import current_user

from portal.changes.instances import POWER
from portal.errors import NotFound
from portal.models import ImageStatus, Operation, Outcome
from portal.pages import navigation, partial, reasons
from portal.pages.listing import Listing
from portal.services import images, instances, operations

pages = Blueprint("operations", __name__, url_prefix="/projects/<uuid:project_id>/operations")

ENDED_WELL = {Outcome.DONE, Outcome.SUPERSEDED}


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
    return render_template(template, **progress(operation))


def progress(operation: Operation) -> dict:
    """What the page of a change shows of it."""
    return {
        "operation": operation,
        "spread": operations.spread(operation),
        "waits": reasons.waiting(operation, operation.lines),
        "way_on": None if operation.outcome in ENDED_WELL else _way_on(operation),
    }


def _way_on(operation: Operation) -> dict | None:
    """What this person can do about a change that is under way, or failed: the words, and the
    `form` or the `page` that does it; what happens `else`, if anything does."""
    with contextlib.suppress(NotFound):  # the thing has gone since, or is not theirs to see
        match operation.target_type:
            case "instances":
                return _way_of_instance(operation)
            case "images":
                return _way_of_image(operation)
            case "projects":
                return _way_of_project(operation)
    return None


def _way_of_instance(operation: Operation) -> dict | None:
    project_id = operation.project_id
    instance = instances.find(current_user.actor, project_id, operation.target_id)
    place = {"project_id": project_id, "instance_id": instance.id}

    def may(verb: str) -> bool:
        free = not instance.locked or current_user.may("instances:change_locked", project_id)
        return free and instance.may(verb) and current_user.may(f"instances:{verb}", project_id)

    again = "retry" if operation.action in ("create", "repair") else operation.action
    if operation.busy and may("cancel"):
        return {"words": "Cancel", "form": url_for("instances.act", action="cancel", **place)}
    if operation.busy and operation.action == "create" and may("delete"):
        url = url_for("instances.confirm_delete", **place)
        return {"words": "Cancel, and delete it…", "page": url}
    if operation.outcome is Outcome.FAILED and again in POWER | {"retry"} and may(again):
        return {"words": "Try again", "form": url_for("instances.act", action=again, **place)}
    return None


def _way_of_image(operation: Operation) -> dict | None:
    if operation.action != "fetch" or not current_user.may("images:publish"):
        return None
    image = images.find(current_user.actor, operation.project_id, operation.target_id)
    place = {"project_id": operation.project_id, "image_id": image.id}
    if operation.busy:
        url = url_for("images.confirm_delete", **place)
        return {"words": "Cancel, and delete it…", "page": url}
    if image.status is ImageStatus.ERROR:
        return {"words": "Try again", "form": url_for("images.retry", **place)}
    return None


def _way_of_project(operation: Operation) -> dict | None:
    failed = operation.outcome is Outcome.FAILED and operation.project.going
    if not failed or not current_user.may("projects:delete"):
        return None
    return {
        "words": "Try again",
        "form": url_for("admin.projects.retry", chosen_id=operation.target_id),
        "else": "What is left goes by itself as soon as its hosts have removed it.",
    }
