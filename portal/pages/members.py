"""Who works in a project, and as what."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user
from wtforms import SelectChoice, SelectField, StringField

from portal.models import Role
from portal.pages import done
from portal.pages.forms import Form
from portal.policies import authorize
from portal.services import grants, groups, projects, users

ROLES = [
    SelectChoice(Role.READER.value, "Reader: looks"),
    SelectChoice(Role.MEMBER.value, "Member: creates and changes"),
    SelectChoice(Role.ADMIN.value, "Admin: and decides who is in"),
]

pages = Blueprint("members", __name__, url_prefix="/projects/<uuid:project_id>/members")


class MemberForm(Form):
    user_name = StringField("User name")
    role = SelectField("Role", choices=ROLES, default=Role.MEMBER.value)


class GroupForm(Form):
    group_name = StringField("Name of the group")
    role = SelectField("Role", choices=ROLES, default=Role.MEMBER.value, id="group_role")


class RoleForm(Form):
    role = SelectField("Role", choices=ROLES)


@pages.get("")
def index(project_id):
    return _page(project_id, MemberForm())


@pages.post("")
def create(project_id):
    form = MemberForm()
    if form.validate():
        with form:
            name, role = (form.user_name.data or "").strip(), Role(form.role.data)
            projects.set_member(current_user.actor, project_id, name, role)
            done(f"{name} is {role} of this project.")
            return redirect(url_for(".index", project_id=project_id), 303)
    return _page(project_id, form), form.status


@pages.post("/<uuid:user_id>/role")
def change_role(project_id, user_id):
    form = RoleForm()
    if form.validate():
        with form:
            name = projects.member(current_user.actor, project_id, user_id).user.name
            role = Role(form.role.data)
            projects.set_member(current_user.actor, project_id, name, role)
            done(f"{name} is {role} of this project.")
            return redirect(url_for(".index", project_id=project_id), 303)
    return _page(project_id, MemberForm(formdata=None), wrong=form), form.status


@pages.get("/<uuid:user_id>/remove")
def confirm_delete(project_id, user_id):
    return _remove_page(project_id, user_id, Form(formdata=None))


@pages.post("/<uuid:user_id>/remove")
def delete(project_id, user_id):
    form = Form()
    name = projects.member(current_user.actor, project_id, user_id).user.name
    with form:
        projects.remove_member(current_user.actor, project_id, user_id)
        done(f"{name} is no longer in this project.")
        mine = user_id == current_user.user.id
        return redirect("/" if mine else url_for(".index", project_id=project_id), 303)
    return _remove_page(project_id, user_id, form), form.status


@pages.post("/groups")
def add_group(project_id):
    form = GroupForm()
    if form.validate():
        with form:
            name, role = (form.group_name.data or "").strip(), Role(form.role.data)
            grants.set_group(current_user.actor, project_id, name, role)
            done(f"Who is in the group {name} is {role} of this project.")
            return redirect(url_for(".index", project_id=project_id), 303)
    return _page(project_id, MemberForm(formdata=None), group_form=form), form.status


@pages.post("/groups/<uuid:group_id>/role")
def change_group_role(project_id, group_id):
    form = RoleForm()
    if form.validate():
        with form:
            name = grants.of_group(current_user.actor, project_id, group_id).group.name
            role = Role(form.role.data)
            grants.set_group(current_user.actor, project_id, name, role)
            done(f"Who is in the group {name} is {role} of this project.")
            return redirect(url_for(".index", project_id=project_id), 303)
    return _page(project_id, MemberForm(formdata=None), wrong=form), form.status


@pages.get("/groups/<uuid:group_id>/remove")
def confirm_delete_group(project_id, group_id):
    return _remove_group_page(project_id, group_id, Form(formdata=None))


@pages.post("/groups/<uuid:group_id>/remove")
def delete_group(project_id, group_id):
    form, actor = Form(), current_user.actor
    name = grants.of_group(actor, project_id, group_id).group.name
    with form:
        grants.remove_group(actor, project_id, group_id)
        done(f"The group {name} is no longer in this project.")
        still = users.as_now(actor).role(project_id)
        return redirect(url_for(".index", project_id=project_id) if still else "/", 303)
    return _remove_group_page(project_id, group_id, form), form.status


def _page(
    project_id,
    form: MemberForm,
    *,
    group_form: GroupForm | None = None,
    wrong: Form | None = None,
) -> str:
    return render_template(
        "members/index.html",
        members=projects.members(current_user.actor, project_id),
        groups=groups.of_project(current_user.actor, project_id),
        roles=ROLES,
        form=form,
        group_form=group_form or GroupForm(formdata=None),
        wrong=wrong,
    )


def _remove_group_page(project_id, group_id, form: Form) -> str:
    authorize(current_user.actor, "members:change", project_id)
    held = grants.of_group(current_user.actor, project_id, group_id)
    return render_template("members/delete_group.html", held=held, form=form)


def _remove_page(project_id, user_id, form: Form) -> str:
    authorize(current_user.actor, "members:change", project_id)
    member = projects.member(current_user.actor, project_id, user_id)
    return render_template("members/delete.html", member=member, form=form)
