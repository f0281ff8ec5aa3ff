"""Groups of people who have their roles together, for administrators."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user
from wtforms import SelectField, StringField

from portal.models import Role
from portal.pages import done
from portal.pages.admin.users import CLOUD_ROLES
from portal.pages.forms import Form, not_confirmed
from portal.pages.listing import Listing
from portal.policies import authorize
from portal.services import groups

pages = Blueprint("groups", __name__, url_prefix="/groups")


class GroupForm(Form):
    name = StringField("Name")
    description = StringField("What it is for")


class MemberForm(Form):
    user_name = StringField("User name")


class RoleForm(Form):
    role = SelectField("Role in the cloud", choices=CLOUD_ROLES)


@pages.get("")
def index():
    listing = Listing.of_request(sorts=groups.SORTS, default="name")
    rows, listing.total = groups.listed(current_user.actor, listing.wanted())
    return render_template(
        "admin/groups/index.html",
        groups=rows,
        sizes=groups.sizes([each.id for each in rows]),
        listing=listing,
    )


@pages.get("/new")
def new():
    authorize(current_user.actor, "groups:change")
    return render_template("admin/groups/new.html", form=GroupForm())


@pages.post("")
def create():
    form = GroupForm()
    if form.validate():
        with form:
            group = groups.create(
                current_user.actor,
                form.name.data or "",
                description=(form.description.data or "").strip(),
            )
            done(f"The group {group.name} is there. Put people into it, and give it roles.")
            return redirect(url_for(".show", group_id=group.id), 303)
    return render_template("admin/groups/new.html", form=form), form.status


@pages.get("/<uuid:group_id>")
def show(group_id):
    return _page(group_id)


@pages.post("/<uuid:group_id>/members")
def add_member(group_id):
    form = MemberForm()
    if form.validate():
        with form:
            name = groups.add(current_user.actor, group_id, (form.user_name.data or "").strip())
            done(f"{name} is in the group.")
            return redirect(url_for(".show", group_id=group_id), 303)
    return _page(group_id, member_form=form), form.status


@pages.post("/<uuid:group_id>/members/<uuid:user_id>/remove")
def remove_member(group_id, user_id):
    form = MemberForm(formdata=None)
    with form:
        name = groups.remove(current_user.actor, group_id, user_id)
        done(f"{name} is no longer in the group.")
        return redirect(url_for(".show", group_id=group_id), 303)
    return _page(group_id, member_form=form), form.status


@pages.post("/<uuid:group_id>/role")
def change_role(group_id):
    form = RoleForm()
    if form.validate():
        with form:
            role = Role(form.role.data) if form.role.data else None
            groups.set_cloud_role(current_user.actor, group_id, role)
            done("The role in the cloud is changed.")
            return redirect(url_for(".show", group_id=group_id), 303)
    return _page(group_id, role_form=form), form.status


@pages.get("/<uuid:group_id>/delete")
def confirm_delete(group_id):
    return _delete_page(group_id)


@pages.post("/<uuid:group_id>/delete")
def delete(group_id):
    authorize(current_user.actor, "groups:change")
    form, name = Form(), groups.find(current_user.actor, group_id).name
    if error := not_confirmed(name):
        return _delete_page(group_id, error=error), 422
    with form:
        groups.delete(current_user.actor, group_id)
        done(f"The group {name} is deleted. Whoever was in it stays.")
        return redirect(url_for(".index"), 303)
    return _delete_page(group_id, form=form), form.status


def _page(group_id, *, member_form=None, role_form=None) -> str:
    group = groups.find(current_user.actor, group_id)
    return render_template(
        "admin/groups/show.html",
        group=group,
        member_form=member_form or MemberForm(formdata=None),
        role_form=role_form or RoleForm(formdata=None, role=group.cloud_role or ""),
    )


def _delete_page(group_id, *, form=None, error=None) -> str:
    authorize(current_user.actor, "groups:change")
    group = groups.find(current_user.actor, group_id)
    return render_template(
        "admin/groups/delete.html",
        group=group,
        roles=groups.roles(group),
        form=form or Form(formdata=None),
        error=error,
    )
