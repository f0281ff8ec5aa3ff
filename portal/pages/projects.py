"""A project at a glance, and the way to it."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user

from portal.pages import navigation
from portal.pages.listing import Listing
from portal.services import activities, images, instances, operations, projects, quotas

RECENT = 8  # entries of each list

pages = Blueprint("projects", __name__)


@pages.get("/")
def start():
    """To the project that one was in last, or to what there is for somebody without any."""
    last = navigation.last_of(projects.of_actor(current_user.actor))
    if last:
        return redirect(url_for(".show", project_id=last.id), 303)
    return render_template("projects/none.html")


@pages.get("/projects/<uuid:project_id>/")
def show(project_id):
    actor = current_user.actor
    project = projects.find(actor, project_id)
    newest = Listing.of_request(sorts=("created_at",), default="-created_at").wanted()
    return render_template(
        "projects/show.html",
        counts=instances.counts(actor, project.id),
        usage=quotas.usage(project.id),
        private_to_others=images.private_to_others(actor, project.id),
        operations=operations.listed(actor, newest, project_id=project.id)[0][:RECENT],
        entries=activities.listed(actor, newest, project_id=project.id)[0][:RECENT],
    )
