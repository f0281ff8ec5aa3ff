"""Images that instances of a project can start from: list, upload, fetch, look, change, delete."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.datastructures import MultiDict
from wtforms import FileField, HiddenField, IntegerField, RadioField, SelectChoice, StringField

from portal import config, places
from portal.errors import NotFound
from portal.models import Acceptance, ImageStatus, Visibility
from portal.pages import done, partial, reasons, uploads
from portal.pages.as_code import images as code
from portal.pages.forms import Form, new_key, not_confirmed
from portal.pages.listing import Listing
from portal.policies import authorize
from portal.services import images, quotas
from workers.foreign import HEAD_BYTES

GIB = 2**30
VISIBILITIES = {
    Visibility.PRIVATE: ("Private", "only its owner can use it", "user"),
    Visibility.SHARED: ("Shared", "everybody in the project can use it", "users"),
    Visibility.PUBLIC: ("Public", "everybody in every project can use it", "globe"),
}

pages = Blueprint("images", __name__, url_prefix="/projects/<uuid:project_id>/images")


class SettingsForm(Form):
    name = StringField("Name")
    visibility = RadioField(
        "For whom",
        choices=[SelectChoice(each.value, words[0]) for each, words in VISIBILITIES.items()],
        default=Visibility.PRIVATE.value,
    )
    login_user = StringField("Login user")
    min_disk_gib = IntegerField("Least disk", default=0)
    min_memory_mib = IntegerField("Least memory", default=0)

    def wish(self) -> images.NewImage:
        """What was filled in, as the service takes it."""
        return images.NewImage(
            name=self.name.data or "",
            visibility=_visibility(self.visibility.data),
            login_user=self.login_user.data or "",
            min_disk_gib=self.min_disk_gib.data,
            min_memory_mib=self.min_memory_mib.data,
        )


class UploadForm(SettingsForm):
    key = HiddenField()
    file = FileField("File")


class FileForm(Form):
    file = FileField("File")


class ShareForm(Form):
    project = StringField("Project")


@pages.get("")
def index(project_id):
    listing = Listing.of_request(sorts=images.SORTS, default="-created_at")
    rows, listing.total = images.listed(
        current_user.actor, project_id, listing.wanted(state=request.args.get("state", ""))
    )
    return render_template(
        "images/index.html",
        images=rows,
        listing=listing,
        states=[each.value for each in Visibility],
        visibilities=VISIBILITIES,
        private_to_others=images.private_to_others(current_user.actor, project_id),
        pending=images.pending(current_user.actor, project_id),
        **_published(),
    )


@pages.get("/published")
def published(project_id):
    """The part of the list that offers what publishers have."""
    authorize(current_user.actor, "images:publish")
    return render_template("images/_published.html", **_published())


@pages.post("/fetch")
def fetch(project_id):
    image = images.fetch(
        current_user.actor,
        project_id,
        request.form.get("published_as", ""),
        key=request.form.get("key", ""),
    )
    done(f"{image.called} is being fetched.")
    return redirect(url_for(".index", project_id=project_id), 303)


@pages.get("/new")
def new(project_id):
    authorize(current_user.actor, "images:create", project_id)
    return _form_page(project_id, UploadForm(key=new_key()))


@pages.post("/new")
def check(project_id):
    """What is wrong with the answers, and with a file by its size and its beginning, all of it,
    before the file is sent: nothing, or the form that says so."""
    authorize(current_user.actor, "images:create", project_id)
    form = UploadForm()
    form.validate()
    with form:
        images.check(
            current_user.actor,
            project_id,
            form.wish(),
            size_bytes=_bytes(request.form.get("file_bytes", "")),
            head=_head(),
            key=form.key.data or "",
        )
    return (_form_page(project_id, form), form.status) if form.errors else ("", 204)


@pages.post("")
def create(project_id):
    authorize(current_user.actor, "images:create", project_id)
    with places.for_a_file(current_user.user.id, project_id):
        most = config.current().image_max_gib * GIB
        fields, file = uploads.fields_and_file(request, most_bytes=most)
        form = UploadForm(formdata=MultiDict(fields))
        sound, key = form.validate(), form.key.data or ""
        with form:
            if not sound:  # the other mistakes are said too; of the file nothing is known
                images.check(current_user.actor, project_id, form.wish(), size_bytes=1, key=key)
            else:
                image = images.create(current_user.actor, project_id, form.wish(), file, key=key)
                return redirect(url_for(".show", project_id=project_id, image_id=image.id), 303)
    return _form_page(project_id, form), form.status


uploads.takes_uploads(pages, create)


@pages.get("/<uuid:image_id>")
def show(project_id, image_id):
    return _show_page(project_id, image_id, ShareForm(formdata=None))


@pages.get("/<uuid:image_id>/file")
def file(project_id, image_id):
    """The form for the file that the image waits for; of one that has its file, its page."""
    image = images.find(current_user.actor, project_id, image_id)
    images.require(current_user.actor, "change", image)
    if image.status is not ImageStatus.WAITING:
        return redirect(url_for(".show", project_id=project_id, image_id=image_id), 303)
    return _file_page(image, FileForm(formdata=None))


@pages.post("/<uuid:image_id>/file")
def fill(project_id, image_id):
    image = images.find(current_user.actor, project_id, image_id)
    images.require(current_user.actor, "change", image)
    with places.for_a_file(current_user.user.id, project_id):
        most = config.current().image_max_gib * GIB
        fields, content = uploads.fields_and_file(request, most_bytes=most)
        form = FileForm(formdata=MultiDict(fields))
        with form:
            images.fill(current_user.actor, project_id, image_id, content)
            done(f"{image.called} has its file.")
            return redirect(url_for(".show", project_id=project_id, image_id=image_id), 303)
    return _file_page(image, form), form.status


uploads.takes_uploads(pages, fill)


@pages.post("/<uuid:image_id>/members")
def share(project_id, image_id):
    form = ShareForm()
    if form.validate():
        with form:
            name = (form.project.data or "").strip()
            images.share(current_user.actor, project_id, image_id, name)
            done(f"{name} is offered the image, and takes it into its list or does not.")
            return redirect(url_for(".show", project_id=project_id, image_id=image_id), 303)
    return _show_page(project_id, image_id, form), form.status


@pages.post("/<uuid:image_id>/members/<uuid:member_id>/remove")
def unshare(project_id, image_id, member_id):
    images.unshare(current_user.actor, project_id, image_id, member_id)
    done("It is shared with that project no longer.")
    return redirect(url_for(".show", project_id=project_id, image_id=image_id), 303)


@pages.post("/<uuid:image_id>/<any(accept,reject):wish>")
def accept(project_id, image_id, wish):
    answer = Acceptance.ACCEPTED if wish == "accept" else Acceptance.REJECTED
    images.accept(current_user.actor, project_id, image_id, project_id, answer)
    done("It is among the images of this project." if wish == "accept" else "It is left out.")
    return redirect(url_for(".show", project_id=project_id, image_id=image_id), 303)


@pages.get("/<uuid:image_id>/row")
def row(project_id, image_id):
    """One row of the list; nothing once the image is gone, so that its row goes too."""
    try:
        image = images.find_whole(current_user.actor, project_id, image_id)
    except NotFound:
        return ""
    return render_template("images/_row.html", image=image, visibilities=VISIBILITIES)


@pages.post("/<uuid:image_id>/retry")
def retry(project_id, image_id):
    images.retry(current_user.actor, project_id, image_id)
    return redirect(url_for(".show", project_id=project_id, image_id=image_id), 303)


@pages.get("/<uuid:image_id>/settings")
def settings(project_id, image_id):
    image = images.find(current_user.actor, project_id, image_id)
    images.require(current_user.actor, "change", image)
    form = SettingsForm(formdata=None, obj=image)
    form.visibility.data = image.visibility.value
    return _settings_page(image, form)


@pages.post("/<uuid:image_id>/settings")
def change(project_id, image_id):
    form = SettingsForm()
    if form.validate():
        with form:
            image = images.change(current_user.actor, project_id, image_id, form.wish())
            done(f"{image.called} is changed.")
            return redirect(url_for(".show", project_id=project_id, image_id=image_id), 303)
    image = images.find(current_user.actor, project_id, image_id)
    return _settings_page(image, form), form.status


@pages.post("/<uuid:image_id>/reactivate")
def reactivate(project_id, image_id):
    image = images.activate(current_user.actor, project_id, image_id)
    done(f"{image.called} is active again.")
    return redirect(url_for(".show", project_id=project_id, image_id=image_id), 303)


@pages.post("/<uuid:image_id>/<any(protect,unprotect):wish>")
def protect(project_id, image_id, wish):
    protected = wish == "protect"
    image = images.protect(current_user.actor, project_id, image_id, protected=protected)
    done(f"{image.called} is {'protected from deletion' if protected else 'no longer protected'}.")
    return redirect(url_for(".show", project_id=project_id, image_id=image_id), 303)


@pages.get("/<uuid:image_id>/delete")
def confirm_delete(project_id, image_id):
    return _delete_page(project_id, image_id)


@pages.post("/<uuid:image_id>/delete")
def delete(project_id, image_id):
    image = images.find(current_user.actor, project_id, image_id)
    images.require(current_user.actor, "delete", image)
    name = image.called
    if error := not_confirmed(name):
        return _delete_page(project_id, image_id, error), 422
    images.delete(current_user.actor, project_id, image_id)
    done(f"{name} is deleted.")
    return redirect(url_for(".index", project_id=project_id), 303)


def _visibility(text: str | None) -> Visibility:
    """The one that was chosen; what is none is said by the form, and counts as the narrowest."""
    try:
        return Visibility(text)
    except ValueError:
        return Visibility.PRIVATE


def _bytes(text: str) -> int:
    """A size that a script read off a file."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0


def _head() -> bytes:
    """How the file begins that a script is about to send, if it has said so."""
    given = request.files.get("file_head")
    return given.read(HEAD_BYTES) if given else b""


def _published() -> dict:
    """What publishers offer, each with the image of it and a key for its form."""
    offers = images.published(current_user.actor)
    return {
        "published": [(each, image, new_key()) for each, image in offers],
        "fetching": any(image.busy for _, image in offers if image),
    }


def _form_page(project_id, form: UploadForm) -> str:
    return render_template(
        "images/new.html",
        form=form,
        choices_of_visibility=_choices(),
        usage=quotas.usage(project_id),
        private_to_others=images.private_to_others(current_user.actor, project_id),
        most_gib=config.current().image_max_gib,
    )


def _show_page(project_id, image_id, form: ShareForm) -> str:
    image = images.find_whole(current_user.actor, project_id, image_id)
    return render_template(
        "images/_about.html" if partial() else "images/show.html",
        image=image,
        visibility=VISIBILITIES[image.visibility],
        waits=reasons.waiting(image.open_operation),
        used_by=images.used_by(image),
        members=images.members(current_user.actor, project_id, image_id),
        code=code.to_look_at(image),
        form=form,
        may=lambda verb: images.may(current_user.actor, verb, image),
    )


def _file_page(image, form: FileForm) -> str:
    return render_template(
        "images/file.html", image=image, form=form, most_gib=config.current().image_max_gib
    )


def _settings_page(image, form: SettingsForm) -> str:
    return render_template(
        "images/settings.html", image=image, form=form, choices_of_visibility=_choices()
    )


def _delete_page(project_id, image_id, error=None) -> str:
    image = images.find(current_user.actor, project_id, image_id)
    images.require(current_user.actor, "delete", image)
    return render_template(
        "images/delete.html", image=image, used_by=images.used_by(image), error=error
    )


def _choices() -> list[dict]:
    """Cards for components/form.html; what only administrators may choose cannot be chosen."""
    return [
        {
            "value": each.value,
            "title": title,
            "note": note,
            "icon": icon,
            "disabled": each is Visibility.PUBLIC and not current_user.may("images:publish"),
        }
        for each, (title, note, icon) in VISIBILITIES.items()
    ]
