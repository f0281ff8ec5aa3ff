"""Placement groups of a project: which instances are kept apart, or together."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user
from wtforms import IntegerField, RadioField, StringField

from portal.models import Policy
from portal.pages import done
from portal.pages.forms import Form
from portal.policies import authorize
from portal.services import placement_groups, quotas

pages = Blueprint(
    "placement_groups", __name__, url_prefix="/projects/<uuid:project_id>/placement-groups"
)

POLICIES = {  # what people read of each
    Policy.APART: ("Apart", "Each on a host of its own. Without one more host it is refused."),
    Policy.TOGETHER: ("Together", "All on one host. Without room on it, it is refused."),
    Policy.RATHER_APART: ("Rather apart", "On different hosts while there are enough."),
    Policy.RATHER_TOGETHER: ("Rather together", "On one host while it has room."),
}


class PlacementGroupForm(Form):
    name = StringField("Name")
    policy = RadioField("Its instances are", validate_choice=False, default=Policy.APART.value)
    most_per_host = IntegerField("Most on a host", default=1)


@pages.get("")
def index(project_id):
    groups = placement_groups.of_project(current_user.actor, project_id)
    return render_template(
        "placement_groups/index.html",
        groups=groups,
        members=placement_groups.members_of([each.id for each in groups]),
        policies=POLICIES,
    )


@pages.get("/new")
def new(project_id):
    authorize(current_user.actor, "placement_groups:create", project_id)
    return _form_page(project_id, PlacementGroupForm())


@pages.post("")
def create(project_id):
    form = PlacementGroupForm()
    if form.validate():
        with form:
            strict = form.policy.data == Policy.APART
            group = placement_groups.create(
                current_user.actor,
                project_id,
                placement_groups.NewPlacementGroup(
                    name=form.name.data or "",
                    policy=form.policy.data or "",
                    most_per_host=(form.most_per_host.data or 0) if strict else 1,
                ),
            )
            done(f"The group {group.name} is there. Choose it when you create an instance.")
            return redirect(url_for(".index", project_id=project_id), 303)
    return _form_page(project_id, form), form.status


@pages.post("/<uuid:placement_group_id>/delete")
def delete(project_id, placement_group_id):
    group = placement_groups.find(current_user.actor, project_id, placement_group_id)
    placement_groups.delete(current_user.actor, project_id, placement_group_id)
    done(f"The group {group.name} is deleted. Its instances stay where they are.")
    return redirect(url_for(".index", project_id=project_id), 303)


def _form_page(project_id, form: PlacementGroupForm) -> str:
    cards = [
        {"value": policy.value, "title": title, "note": note, "icon": "layers"}
        for policy, (title, note) in POLICIES.items()
    ]
    return render_template(
        "placement_groups/new.html",
        form=form,
        policy_cards=cards,
        usage=quotas.usage(project_id)["placement_groups"],
    )
