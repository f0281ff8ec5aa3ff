"""What a guest wrote to its serial port. A button has the conductor fetch it, which a page
with scripts presses by itself when it is opened, and again while the guest boots."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user

from portal.errors import TooMany
from portal.pages import partial
from portal.services import instances
from portal.services.instances import boot_logs

pages = Blueprint(
    "boot_logs", __name__, url_prefix="/projects/<uuid:project_id>/instances/<uuid:instance_id>/log"
)


@pages.get("")
def show(project_id, instance_id):
    template = "boot_logs/_log.html" if partial() else "boot_logs/show.html"
    instance = instances.find_whole(current_user.actor, project_id, instance_id)
    log = boot_logs.find(current_user.actor, project_id, instance_id)
    return render_template(
        template,
        instance=instance,
        log=log,
        follows=boot_logs.follows(instance),
        opened=not partial(),
        silent=instance.host is not None and not instance.host.placeable,
    )


@pages.post("")
def ask(project_id, instance_id):
    try:
        boot_logs.ask(current_user.actor, project_id, instance_id)
    except TooMany:
        if not partial():  # a page that asks by itself shows what there is, and asks again later
            raise
    return redirect(url_for(".show", project_id=project_id, instance_id=instance_id), 303)
