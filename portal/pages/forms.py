"""Forms whose answers are checked by services: what they refuse lands beside its field."""

import uuid

from flask import request
from flask_wtf import FlaskForm
from wtforms import HiddenField

from portal.errors import Refused
from portal.pages import remember_refusal


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
    look_again = HiddenField()

    def validate(self, *arguments, **more) -> bool:
        """Whether it was filled in as far as a service can judge it, and is meant to be carried
        out. One that came back through a sign-in is shown first."""
        if self.look_again.data:
            self.status = 200
            return False
        return super().validate(*arguments, **more)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if not isinstance(error, Refused):
            return False
        remember_refusal(error)
        self.status = error.status
        field = self._fields.get(error.field or "")
        if field is None:
            self.form_errors = [*self.form_errors, str(error)]
        else:
            field.errors = [*field.errors, str(error)]
        return True


def not_confirmed(name: str) -> str:
    """What is wrong with what was typed to confirm that the thing of this name shall go; empty if
    it is the name."""
    typed = request.form.get("confirm", "").strip()
    return "" if typed == name else f"Type {name}, exactly as it is written here."


def new_key() -> str:
    """A key for a form that creates: sent twice, it creates once."""
    return uuid.uuid4().hex


def as_uuid(text: str | None) -> uuid.UUID | None:
    """The id that a field holds, or None for anything that is none."""
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return None
