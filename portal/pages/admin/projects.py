"""All projects, for administrators: who may hold how much, and who is in."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user
from wtforms import IntegerField, StringField

from portal.pages import done
from portal.pages.forms import Form, not_confirmed
from portal.pages.listing import Listing
from portal.policies import authorize
from portal.services import deletions, operations, projects, quotas

pages = Blueprint("projects", __name__, url_prefix="/projects")


class ProjectForm(Form):
    name = StringField("Name")


class QuotaForm(Form):
    """A limit for every resource there is."""

    @property
    def limits(self) -> dict[str, int]:
        """The limits that were filled in; what was left empty stays as it is."""
        return {name: self[name].data for name in quotas.RESOURCES if self[name].data is not None}


for _name, _resource in quotas.RESOURCES.items():
    setattr(QuotaForm, _name, IntegerField(_resource.title))


@pages.get("")
def index():
    listing = Listing.of_request(sorts=projects.SORTS, default="name")
    rows, listing.total = projects.listed(current_user.actor, listing.wanted())
    return render_template(
        "admin/projects/index.html",
        all_projects=rows,
        listing=listing,
        members=projects.member_counts([row.id for row in rows]),
    )


@pages.get("/new")
def new():
    authorize(current_user.actor, "projects:change")
    return render_template("admin/projects/new.html", form=ProjectForm())


@pages.post("")
def create():
    form = ProjectForm()
    if form.validate():
        with form:
            project = projects.create(current_user.actor, form.name.data or "")
            done(f"The project {project.name} is there, and nobody is in it. Add its first admin.")
            return redirect(url_for("members.index", project_id=project.id), 303)
    return render_template("admin/projects/new.html", form=form), form.status


@pages.get("/<uuid:chosen_id>")
def show(chosen_id):
    return _page(chosen_id)


@pages.post("/<uuid:chosen_id>/quotas")
def change_quotas(chosen_id):
    form = QuotaForm()
    if form.validate():
        with form:
            quotas.change(current_user.actor, chosen_id, form.limits)
            done("The quotas are changed.")
            return redirect(url_for(".show", chosen_id=chosen_id), 303)
    return _page(chosen_id, form), form.status


@pages.post("/<uuid:chosen_id>/enable")
def enable(chosen_id):
    project = projects.enable(current_user.actor, chosen_id, enabled=True)
    done(f"The members of {project.name} may work in it again.")
    return redirect(url_for(".show", chosen_id=chosen_id), 303)


@pages.post("/<uuid:chosen_id>/disable")
def disable(chosen_id):
    project = projects.enable(current_user.actor, chosen_id, enabled=False)
    done(f"The members of {project.name} may no longer work in it. What it runs goes on.")
    return redirect(url_for(".show", chosen_id=chosen_id), 303)


@pages.get("/<uuid:chosen_id>/delete")
def confirm_delete(chosen_id):
    return _delete_page(chosen_id)


@pages.post("/<uuid:chosen_id>/delete")
def delete(chosen_id):
    authorize(current_user.actor, "projects:delete")
    name = projects.find(current_user.actor, chosen_id).name
    if error := not_confirmed(name):
        return _delete_page(chosen_id, error), 422
    operation = deletions.delete(current_user.actor, chosen_id)
    done(f"{name} is being deleted, with all that it has.")
    return redirect(url_for("admin.operations.show", operation_id=operation.id), 303)


@pages.post("/<uuid:chosen_id>/retry")
def retry(chosen_id):
    operation = deletions.retry(current_user.actor, chosen_id)
    return redirect(url_for("admin.operations.show", operation_id=operation.id), 303)


def _delete_page(chosen_id, error=None) -> str:
    actor = current_user.actor
    return render_template(
        "admin/projects/delete.html",
        belongings=deletions.belongings(actor, chosen_id),
        obstacles=deletions.obstacles(actor, chosen_id),
        chosen=projects.find(actor, chosen_id),
        error=error,
    )


def _page(chosen_id, form: QuotaForm | None = None) -> str:
    authorize(current_user.actor, "cloud:read")
    chosen = projects.find(current_user.actor, chosen_id)
    usage = quotas.usage(chosen_id)
    limits = {name: each.written for name, each in usage.items()}
    return render_template(
        "admin/projects/show.html",
        chosen=chosen,
        failure=operations.last_failure(chosen.id) if chosen.going and not chosen.busy else None,
        usage=usage,
        form=form or QuotaForm(formdata=None, **limits),
        members=projects.member_counts([chosen.id])[chosen.id],
    )
