"""The form of what people attach to their things: a description, properties and tags."""

from collections.abc import Mapping

from wtforms import StringField, TextAreaField

from portal.errors import Refused
from portal.pages.forms import Form
from portal.services.details import Details


class DetailsForm(Form):
    """Properties are lines of `name = text`, tags stand between commas."""

    description = StringField("Description")
    properties = TextAreaField("Properties")
    tags = StringField("Tags")

    @classmethod
    def of(cls, thing) -> "DetailsForm":
        """What the thing has."""
        return cls(
            formdata=None,
            description=thing.description,
            properties=_written(thing.properties),
            tags=", ".join(thing.tags),
        )

    def wish(self, thing) -> Details:
        """What was filled in, as services take it. Properties that were left alone stay as they
        are, also those that no line can say. Raises Refused."""
        written = (self.properties.data or "").replace("\r\n", "\n")
        untouched = written.strip() == _written(thing.properties).strip()
        return Details(
            description=(self.description.data or "").strip(),
            properties=None if untouched else _read(written),
            tags=[tag.strip() for tag in (self.tags.data or "").split(",") if tag.strip()],
        )


def _written(properties: Mapping[str, str]) -> str:
    return "\n".join(f"{name} = {text}" for name, text in properties.items())


def _read(written: str) -> dict[str, str]:
    properties: dict[str, str] = {}
    for line in filter(str.strip, written.split("\n")):
        name, equals, text = (part.strip() for part in line.partition("="))
        if not equals or not name:
            raise Refused(
                "Write each property on a line of its own, as name = text. This one is not: {line}",
                line=line.strip()[:80],
                field="properties",
            )
        if name in properties:
            raise Refused("{name} is there twice.", name=name[:80], field="properties")
        properties[name] = text
    return properties
