"""Instances of a project: list, create, look, change, delete."""

import dataclasses

from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user
from wtforms import (
    BooleanField,
    HiddenField,
    IntegerField,
    RadioField,
    SelectChoice,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)

from portal import config
from portal.errors import NotFound, Refused, all_of
from portal.models import KeyPair
from portal.pages import cards, done, partial, reasons
from portal.pages.as_code import Code
from portal.pages.as_code import instances as code
from portal.pages.details import DetailsForm
from portal.pages.forms import Form, as_uuid, new_key, not_confirmed
from portal.pages.listing import Listing
from portal.policies import authorize
from portal.services import activities, catalog, images, instances, key_pairs, operations
from portal.services.security_groups import DEFAULT, SSH

pages = Blueprint("instances", __name__, url_prefix="/projects/<uuid:project_id>/instances")

ACTIONS = {  # what the buttons say, and what a page without scripts asks before
    "start": ("Start", "play", "The instance boots."),
    "resume": ("Resume", "play", "The guest goes on where it stood."),
    "stop": (
        "Stop",
        "power",
        "The guest is asked to shut down; after 60 seconds it is switched off.",
    ),
    "reboot": (
        "Reboot",
        "rotate-ccw",
        "The guest is asked to shut down, and boots again; after 60 seconds it is switched off.",
    ),
    "force_stop": (
        "Force stop",
        "square",
        "The guest is switched off at once, as if its plug were pulled. What it has not written "
        "to its disk is lost.",
    ),
    "retry": ("Try again", "refresh-cw", "What failed is tried once more."),
    "cancel": (
        "Cancel",
        "x",
        "What is under way ends, and the instance shall be as it was before. A guest that shuts "
        "down all the same is started again.",
    ),
}


class InstanceForm(Form):
    key = HiddenField()
    name = StringField("Name")
    count = IntegerField("How many", default=1)
    image_id = RadioField("Image", validate_choice=False)
    flavor_id = RadioField("Flavor", validate_choice=False)
    network_id = SelectField("Network", validate_choice=False)
    group_ids = SelectMultipleField("Security groups", validate_choice=False)
    key_pair_id = SelectField("SSH key", validate_choice=False)
    zone = SelectField("Zone", validate_choice=False)
    placement_group_id = SelectField("Placement group", validate_choice=False)
    public_key = TextAreaField("New SSH key")
    key_name = StringField("Name of the new key")
    user_data = TextAreaField("User data")
    user_data_as_it_is = BooleanField("Use it as it is")

    def wish(self, project_id) -> instances.NewInstance:
        """What was filled in, as the service takes it."""
        return instances.NewInstance(
            project_id=project_id,
            name=self.name.data or "",
            count=self.count.data or 0,
            image_id=as_uuid(self.image_id.data),
            flavor_id=as_uuid(self.flavor_id.data),
            network_id=as_uuid(self.network_id.data),
            group_ids=tuple(each for each in map(as_uuid, self.group_ids.data or ()) if each),
            key_pair_id=as_uuid(self.key_pair_id.data),
            zone=self.zone.data or "",
            placement_group_id=as_uuid(self.placement_group_id.data),
            user_data=self.user_data.data or "",
            user_data_as_it_is=self.user_data_as_it_is.data,
        )


class RenameForm(Form):
    name = StringField("Name")


@pages.get("")
def index(project_id):
    listing = Listing.of_request(sorts=instances.SORTS, default="-created_at")
    rows, listing.total = instances.listed(
        current_user.actor,
        project_id,
        listing.wanted(state=request.args.get("state", "")),
    )
    template = "instances/_table.html" if partial() else "instances/index.html"
    return render_template(template, instances=rows, listing=listing, states=instances.STATES)


@pages.get("/new")
def new(project_id):
    form = InstanceForm(**_defaults(project_id))
    form.key.data = form.key.data or new_key()
    return _form_page(project_id, form)


@pages.get("/new/summary")
def summary(project_id):
    form = InstanceForm(formdata=request.args)
    if not partial():
        return _form_page(project_id, form)
    return render_template("instances/_summary.html", **_summary(project_id, form))


@pages.post("/new/summary")
def recalculate(project_id):
    """The form as it was filled in, beside what it comes to. A POST, since what was typed is too
    long for an address, and may be no business of a log."""
    return _form_page(project_id, InstanceForm())


@pages.post("")
def create(project_id):
    form = InstanceForm()
    if form.asks_for_code:
        return _form_page(project_id, form)
    if form.validate():
        with form:
            made = instances.create(
                current_user.actor, _wish_with_its_key(project_id, form), key=form.key.data or ""
            )
            if len(made) == 1:
                return redirect(
                    url_for(".show", project_id=project_id, instance_id=made[0].id), 303
                )
            done(f"{len(made)} instances are being built.")
            return redirect(url_for(".index", project_id=project_id), 303)
    return _form_page(project_id, form), form.status


@pages.get("/<uuid:instance_id>")
def show(project_id, instance_id):
    instance = instances.find_whole(current_user.actor, project_id, instance_id)
    template = "instances/_status_card.html" if partial() else "instances/show.html"
    open_ = instance.open_operation
    failure = None if open_ or instance.fault else operations.last_failure(instance.id)
    return render_template(
        template,
        instance=instance,
        actions=ACTIONS,
        waits=reasons.waiting(open_),
        failure=failure if failure and failure.before and failure.action in ACTIONS else None,
        dns_domain=config.current().dns_domain,
        knows=lambda image: images.knows(current_user.actor, image),
        code=code.to_look_at(
            instance,
            knows_image=bool(instance.image) and images.knows(current_user.actor, instance.image),
        ),
    )


@pages.get("/<uuid:instance_id>/row")
def row(project_id, instance_id):
    """One row of the list; nothing once the instance is gone, so that its row goes too."""
    try:
        instance = instances.find_whole(current_user.actor, project_id, instance_id)
    except NotFound:
        return ""
    return render_template("instances/_row.html", instance=instance)


@pages.get("/<uuid:instance_id>/activity")
def activity(project_id, instance_id):
    instance = instances.find(current_user.actor, project_id, instance_id)
    return render_template(
        "instances/activity.html",
        instance=instance,
        entries=activities.of_target(current_user.actor, project_id, instance_id),
    )


@pages.get("/<uuid:instance_id>/settings")
def settings(project_id, instance_id):
    return _settings_page(project_id, instance_id)


@pages.post("/<uuid:instance_id>/settings")
def rename(project_id, instance_id):
    form = RenameForm()
    if form.validate():
        with form:
            instance = instances.rename(
                current_user.actor, project_id, instance_id, form.name.data or ""
            )
            done(f"It is named {instance.name} now.")
            return redirect(request.url, 303)
    return _settings_page(project_id, instance_id, form=form), form.status


@pages.post("/<uuid:instance_id>/settings/details")
def describe(project_id, instance_id):
    form = DetailsForm()
    if form.validate():
        with form:
            instance = instances.find(current_user.actor, project_id, instance_id)
            instances.describe(current_user.actor, project_id, instance_id, form.wish(instance))
            done("Its details are saved.")
            return redirect(
                url_for(".settings", project_id=project_id, instance_id=instance_id), 303
            )
    return _settings_page(project_id, instance_id, details=form), form.status


@pages.post("/<uuid:instance_id>/settings/<any(lock,unlock):wish>")
def lock(project_id, instance_id, wish):
    locked = wish == "lock"
    instance = instances.lock(current_user.actor, project_id, instance_id, locked=locked)
    done(f"{instance.name} is {'locked' if locked else 'open to members again'}.")
    return redirect(url_for(".settings", project_id=project_id, instance_id=instance_id), 303)


@pages.get(
    "/<uuid:instance_id>/actions/<any(start,resume,stop,reboot,force_stop,retry,cancel):action>"
)
def confirm(project_id, instance_id, action):
    instance = instances.find(current_user.actor, project_id, instance_id)
    return render_template(
        "instances/confirm.html", instance=instance, action=action, words=ACTIONS[action]
    )


@pages.post(
    "/<uuid:instance_id>/actions/<any(start,resume,stop,reboot,force_stop,retry,cancel):action>"
)
def act(project_id, instance_id, action):
    getattr(instances, action)(current_user.actor, project_id, instance_id)
    if action == "cancel":
        done("It is cancelled: what was wanted before is wanted again.")
    return redirect(url_for(".show", project_id=project_id, instance_id=instance_id), 303)


@pages.get("/<uuid:instance_id>/delete")
def confirm_delete(project_id, instance_id):
    return _delete_page(project_id, instance_id)


@pages.post("/<uuid:instance_id>/delete")
def delete(project_id, instance_id):
    instance = instances.find(current_user.actor, project_id, instance_id)
    name = instance.name
    if error := not_confirmed(name):
        return _delete_page(project_id, instance_id, error), 422
    instances.delete(current_user.actor, project_id, instance_id)
    done(f"{name} is being deleted.")
    return redirect(url_for(".index", project_id=project_id), 303)


def _settings_page(project_id, instance_id, *, form=None, details=None) -> str:
    instance = instances.find(current_user.actor, project_id, instance_id)
    return render_template(
        "instances/settings.html",
        instance=instance,
        form=form or RenameForm(formdata=None, name=instance.name),
        details=details or DetailsForm.of(instance),
    )


def _delete_page(project_id, instance_id, error=None):
    instance = instances.find_whole(current_user.actor, project_id, instance_id)
    return render_template("instances/delete.html", instance=instance, error=error)


def _defaults(project_id) -> dict:
    """What a form begins with: the image that this person used last, the smallest flavor that has
    what it needs and that the quota has room for, the first network, the groups that let a person
    in, their newest key."""
    menu = catalog.menu(current_user.actor, project_id)
    image = catalog.preferred(current_user.actor, project_id, menu.images)
    fitting = menu.fitting(image) if image else []
    return {
        "name": menu.free_name,
        "image_id": image.id if image else None,
        "flavor_id": fitting[0].id if fitting else None,
        "network_id": menu.networks[0].id if menu.networks else None,
        "group_ids": [str(each.id) for each in menu.groups if each.name in (DEFAULT, SSH)],
        "key_pair_id": menu.key_pairs[-1].id if menu.key_pairs else None,
    }


def _wish_with_its_key(project_id, form: InstanceForm) -> instances.NewInstance:
    """What was filled in. A key that was pasted is among the person's own from now on, and the one
    that the form has chosen, whatever becomes of the rest."""
    actor, wish = current_user.actor, form.wish(project_id)
    if not (form.public_key.data or "").strip():
        return wish
    authorize(actor, "instances:create", project_id)
    _, key_pair = all_of(lambda: instances.check(actor, wish), lambda: _keep_key(form))
    return dataclasses.replace(wish, key_pair_id=key_pair.id)


def _keep_key(form: InstanceForm) -> KeyPair:
    try:
        kept = key_pairs.keep(
            current_user.actor, form.key_name.data or "", form.public_key.data or ""
        )
    except Refused as refused:
        if refused.field == "name":
            refused.field = "key_name"
        raise
    form.key_pair_id.data, form.public_key.data, form.key_name.data = str(kept.id), "", ""
    done(f"The key {kept.name} is among yours, and can be chosen for new instances.")
    return kept


def _form_page(project_id, form: InstanceForm) -> str:
    menu = catalog.menu(current_user.actor, project_id)
    if key_pairs.PRIVATE.search(form.public_key.data or ""):
        form.public_key.data = ""  # the page does not hold a secret
    form.network_id.choices = [
        SelectChoice(str(each.id), f"{each.called} · {each.ranges}") for each in menu.networks
    ]
    form.key_pair_id.choices = [
        SelectChoice("", "No key"),
        *(SelectChoice(str(each.id), each.name) for each in menu.key_pairs),
    ]
    form.zone.choices = [SelectChoice("", "Any"), *(SelectChoice(each) for each in menu.zones)]
    form.placement_group_id.choices = [
        SelectChoice("", "None"),
        *(SelectChoice(str(each.id), each.name) for each in menu.placement_groups),
    ]
    return render_template(
        "instances/new.html",
        form=form,
        menu=menu,
        image_cards=[cards.of_image(each) for each in menu.images],
        flavor_cards=[cards.of_flavor(each, menu) for each in menu.flavors],
        group_cards=[cards.of_group(each) for each in menu.groups],
        code=_as_code(form, menu, project_id) if form.asks_for_code else None,
        **_summary(project_id, form, menu),
    )


def _as_code(form: InstanceForm, menu, project_id) -> Code:
    wish = form.wish(project_id)
    return code.to_create(
        wish,
        key=next((each.name for each in menu.key_pairs if each.id == wish.key_pair_id), ""),
        groups=[each.name for each in menu.groups if each.id in wish.group_ids],
        pasted=bool((form.public_key.data or "").strip()),
    )


def _summary(project_id, form: InstanceForm, menu=None) -> dict:
    """What would be made, and what would be left of the quota."""
    menu = menu or catalog.menu(current_user.actor, project_id)
    wish = form.wish(project_id)
    chosen = {
        "flavor": next((each for each in menu.flavors if each.id == wish.flavor_id), None),
        "image": next((each for each in menu.images if each.id == wish.image_id), None),
        "network": next((each for each in menu.networks if each.id == wish.network_id), None),
        "key": next((each for each in menu.key_pairs if each.id == wish.key_pair_id), None),
    }
    count = max(0, min(wish.count, instances.MOST_AT_ONCE))
    flavor = chosen["flavor"]
    amounts = {
        "instances": count,
        "vcpus": count * flavor.vcpus if flavor else 0,
        "memory_mib": count * flavor.memory_mib if flavor else 0,
        "disk_gib": count * flavor.disk_gib if flavor else 0,
    }
    image = chosen["image"]
    rules = catalog.rules(current_user.actor, project_id, wish.zone, wish.placement_group_id)
    return {
        "chosen": chosen,
        "amounts": amounts,
        "count": count,
        "usage": menu.usage,
        "wish": wish,
        "fit": catalog.fit(menu, flavor, count, rules) if flavor and count else None,
        "misfit": instances.misfit(flavor, image) if flavor and image else None,
    }
