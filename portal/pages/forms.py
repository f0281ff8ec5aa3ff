"""Forms whose answers are checked by services: what they refuse lands beside its field."""

import uuid

from flask import request
from flask_wtf import FlaskForm
from wtforms import HiddenField

from portal.errors import (
    Ambiguous,
    Busy,
    Conflict,
    Forbidden,
    NoRoom,
    NotFound,
    OverQuota,
    Refused,
    TooMany,
    Unavailable,
)
from portal.pages import remember_refusal
from portal.services import names
from portal.services.events import Forgotten
from portal.services.marks import Changed

HEADLINES = {  # the special before the general
    OverQuota: "The quota does not allow it",
    NoRoom: "No host has room for it",
    Busy: "Too many at this moment",
    TooMany: "Not so often",
    Unavailable: "Not at this moment",
    Forbidden: "You may not do this",
    NotFound: "It is not there",
    Ambiguous: "Several bear this name",
    Changed: "Somebody was quicker",
    Forgotten: "It is not known any more",
    Conflict: "Not in its present state",
    Refused: "It was not done",
}


class Form(FlaskForm):
    """A form within which a use-case is called:

        if form.validate():
            with form:
                thing = things.create(...)
                return redirect(...)
        return render_template(..., form=form), form.status

    A Refused ends the block and becomes an error of its field, or of the whole form.
    """

    class Meta:
        csrf = False  # the application checks the token of every POST, with or without a form

    status = 422
    headline = ""  # what was refused, where no field is to blame
    look_again = HiddenField()

    @property
    def asks_for_code(self) -> bool:
        """Whether it was sent to see it as code (`portal/pages/as_code/`), and not to be done."""
        return "as_code" in request.form

    def validate(self, *arguments, **more) -> bool:
        """Whether it was filled in as far as a service can judge it, and is meant to be carried
        out. One that came back through a sign-in is shown first."""
        if self.look_again.data:
            self.status = 200
            return False
        sound = super().validate(*arguments, **more)
        for field in self:
            if isinstance(field.data, str) and "\0" in field.data:
                field.errors = [*field.errors, "This holds a NUL, which no text has."]
                sound = False
        return sound

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if not isinstance(error, Refused):
            return False
        remember_refusal(error)
        self.status = error.status
        for each in error.mistakes:
            field = self._fields.get(each.field or "")
            if field is not None and field.errors:
                continue  # what it says of it is known by a word of the form itself
            if field is None:
                self.headline = headline(each)
                self.form_errors = [*self.form_errors, str(each)]
            else:
                field.errors = [*field.errors, str(each)]
        return True


def not_confirmed(name: str) -> str:
    """What is wrong with what was typed to confirm that the thing of this name shall go; empty if
    it is the name."""
    if names.typed(request.form.get("confirm", ""), name):
        return ""
    return f"Type {names.as_seen(name)}, exactly as it is written here."


def headline(refused: Refused) -> str:
    """What kind of no it is, where no answer of the form is wrong."""
    return next(words for kind, words in HEADLINES.items() if isinstance(refused, kind))


def new_key() -> str:
    """A key for a form that creates: sent twice, it creates once."""
    return uuid.uuid4().hex


def as_uuid(text: str | None) -> uuid.UUID | None:
    """The id that a field holds, or None for anything that is none."""
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return None
