"""What people attach to their things: a description, properties and tags."""

import dataclasses
from collections.abc import Mapping, Sequence

from portal.errors import Refused

MOST_TAGS, TAG_LONGEST = 50, 60  # as Nova's server tags
NOT_IN_TAGS = "/,"
MOST_PROPERTIES, PROPERTY_LONGEST = 128, 255  # as Nova's server metadata
DESCRIPTION_LONGEST = 255


@dataclasses.dataclass(frozen=True, kw_only=True)
class Details:
    """What shall be attached to a thing; what is None stays as it is."""

    description: str | None = None
    properties: Mapping[str, str] | None = None
    tags: Sequence[str] | None = None


def checked(details: Details) -> dict:
    """What shall be attached, by the names of its columns. Raises Refused."""
    checks = {"description": description, "properties": _properties, "tags": _tags}
    return {
        name: check(value)
        for name, check in checks.items()
        if (value := getattr(details, name)) is not None
    }


def description(text: str, *, most: int = DESCRIPTION_LONGEST) -> str:
    """The text, if it is none too long. Raises Refused."""
    if len(text) > most:
        raise Refused(
            "A description has at most {most} characters; this one has {length}.",
            most=most,
            length=len(text),
            field="description",
        )
    return text


def _properties(properties: Mapping[str, str]) -> dict[str, str]:
    if len(properties) > MOST_PROPERTIES:
        raise Refused(
            "At most {most} properties; these are {count}.",
            most=MOST_PROPERTIES,
            count=len(properties),
            field="properties",
        )
    for key, value in properties.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise Refused("A property is a text by a name.", field="properties")
        if not 1 <= len(key) <= PROPERTY_LONGEST or len(value) > PROPERTY_LONGEST:
            raise Refused(
                "The name of a property has 1 to {most} characters, its text at most {most}.",
                most=PROPERTY_LONGEST,
                field="properties",
            )
    return dict(properties)


def _tags(tags: Sequence[str]) -> list[str]:
    """The tags, each once, in their order."""
    found = list(dict.fromkeys(tags))
    if len(found) > MOST_TAGS:
        raise Refused(
            "At most {most} tags; these are {count}.",
            most=MOST_TAGS,
            count=len(found),
            field="tags",
        )
    for tag in found:
        if not isinstance(tag, str) or not 1 <= len(tag) <= TAG_LONGEST:
            raise Refused("A tag has 1 to {most} characters.", most=TAG_LONGEST, field="tags")
        if any(each in tag for each in NOT_IN_TAGS):
            raise Refused("A tag contains no slash and no comma.", field="tags")
    return found
