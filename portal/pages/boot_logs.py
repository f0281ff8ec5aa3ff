"""What a guest wrote to its serial port. A button has the conductor fetch it: no page ever does."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user

from portal.pages import partial
from portal.services import instances
from portal.services.instances import boot_logs

pages = Blueprint(
    "boot_logs", __name__, url_prefix="/projects/<uuid:project_id>/instances/<uuid:instance_id>/log"
)


@pages.get("")
def show(project_id, instance_id):
    template = "boot_logs/_log.html" if partial() else "boot_logs/show.html"
    return render_template(
        template,
        instance=instances.find(current_user.actor, project_id, instance_id),
        log=boot_logs.find(current_user.actor, project_id, instance_id),
    )


@pages.post("")
def ask(project_id, instance_id):
    boot_logs.ask(current_user.actor, project_id, instance_id)
    return redirect(url_for(".show", project_id=project_id, instance_id=instance_id), 303)
