"""Judging a body by a schema: the part of JSON Schema that these APIs need, in Nova's words.

The schemas are plain dictionaries, so that what is served can be described by them too.
https://json-schema.org/draft/2020-12/json-schema-validation
"""

import functools
import ipaddress
import re
import uuid
from collections.abc import Callable, Iterator

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
SHOWN = 80  # characters of a value that is wrong


def fields(required: dict | None = None, /, **optional) -> dict:
    """The schema of an object with these fields and no others; `required` ones have to be there."""
    return {
        "type": "object",
        "properties": (required or {}) | optional,
        "required": list(required or {}),
        "additionalProperties": False,
    }


def text(least: int = 0, most: int = 255, **more) -> dict:
    """The schema of a text of so many characters."""
    return {"type": "string", "minLength": least, "maxLength": most} | more


def maybe(schema: dict) -> dict:
    """The schema of a value that may be null."""
    kinds = schema["type"]
    return schema | {"type": [*([kinds] if isinstance(kinds, str) else kinds), "null"]}


ANY = {}
FLAG = {"type": "boolean"}
ID = {"type": "string", "format": "uuid"}
WHOLE = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}


def mistake(value, schema: dict) -> str:
    """What is wrong with `value` first, in one sentence; "" if it is as `schema` has it."""
    return next(_wrongs(value, schema, ()), "")


def _wrongs(value, schema: dict, path: tuple) -> Iterator[str]:
    kinds = schema.get("type")
    if kinds is not None and not _is_one(value, [kinds] if isinstance(kinds, str) else kinds):
        yield _at(path, value, f"{_shown(value)} is not of type {_listed(kinds)}")
        return
    if "enum" in schema and not any(_same(value, each) for each in schema["enum"]):
        yield _at(path, value, f"{_shown(value)} is not one of {schema['enum']!r}")
    if "oneOf" in schema and all(mistake(value, each) for each in schema["oneOf"]):
        yield _at(path, value, f"{_shown(value)} is not valid under any of the given schemas")
    match value:
        case str():
            yield from _of_text(value, schema, path)
        case bool():
            return
        case int() | float():
            yield from _of_number(value, schema, path)
        case list():
            yield from _of_list(value, schema, path)
        case dict():
            yield from _of_object(value, schema, path)


def _of_text(value: str, schema: dict, path: tuple) -> Iterator[str]:
    if len(value) < schema.get("minLength", 0):
        yield _at(path, value, f"{_shown(value)} is too short")
    if len(value) > schema.get("maxLength", len(value)):
        yield _at(path, value, f"{_shown(value)} is too long")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield _at(path, value, f"{_shown(value)} does not match {schema['pattern']!r}")
    form = schema.get("format")
    if form in FORMATS and not FORMATS[form](value):
        yield _at(path, value, f"{_shown(value)} is not a {form!r}")


def _of_number(value, schema: dict, path: tuple) -> Iterator[str]:
    if value < schema.get("minimum", value):
        yield _at(path, value, f"{_shown(value)} is less than the minimum of {schema['minimum']}")
    if value > schema.get("maximum", value):
        most = schema["maximum"]
        yield _at(path, value, f"{_shown(value)} is greater than the maximum of {most}")


def _of_list(value: list, schema: dict, path: tuple) -> Iterator[str]:
    if len(value) < schema.get("minItems", 0):
        yield _at(path, value, f"{_shown(value)} is too short")
    if len(value) > schema.get("maxItems", len(value)):
        yield _at(path, value, f"{_shown(value)} is too long")
    if schema.get("uniqueItems") and len({repr(each) for each in value}) < len(value):
        yield _at(path, value, f"{_shown(value)} has non-unique elements")
    for number, each in enumerate(value):
        yield from _wrongs(each, schema.get("items", ANY), (*path, str(number)))


def _of_object(value: dict, schema: dict, path: tuple) -> Iterator[str]:
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield _at(path, value, f"{name!r} is a required property")
    others = [name for name in value if name not in known]
    rest = schema.get("additionalProperties", ANY)
    if rest is False and others:
        named = ", ".join(repr(name[:SHOWN]) for name in others[:5])
        verb = "was" if len(others) == 1 else "were"
        said = f"Additional properties are not allowed ({named} {verb} unexpected)"
        yield _at(path, value, said)
    if len(value) < schema.get("minProperties", 0):
        yield _at(path, value, f"{_shown(value)} does not have enough properties")
    if len(value) > schema.get("maxProperties", len(value)):
        yield _at(path, value, "it has too many properties")
    named = schema.get("propertyNames")
    for name, each in value.items():
        if named is not None:
            yield from _wrongs(name, named, path)
        if name in known:
            yield from _wrongs(each, known[name], (*path, name))
        elif isinstance(rest, dict):
            yield from _wrongs(each, rest, (*path, name))


def _at(path: tuple, value, said: str) -> str:
    """In Nova's words: "Invalid input for field/attribute name. Value: 1. 1 is not of type …"."""
    if not path:
        return said
    return f"Invalid input for field/attribute {path[-1]}. Value: {_plain(value)}. {said}"


def _is_one(value, kinds: list[str]) -> bool:
    return any(
        isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
        for kind in kinds
    )


def _same(one, other) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _is_id(value: str) -> bool:
    try:
        uuid.UUID(value)
    except ValueError:
        return False
    return len(value) in (32, 36)


def _reads(value: str, read: Callable) -> bool:
    try:
        read(value)
    except ValueError:
        return False
    return True


FORMATS = {
    "uuid": _is_id,
    "ipv4": functools.partial(_reads, read=ipaddress.IPv4Address),
    "ipv6": lambda value: "%" not in value and _reads(value, ipaddress.IPv6Address),
}


def _listed(kinds: str | list[str]) -> str:
    return ", ".join(map(repr, [kinds] if isinstance(kinds, str) else kinds))


def _plain(value) -> str:
    said = str(value) if not isinstance(value, dict | list) else _shown(value)
    return said if len(said) <= SHOWN else f"{said[:SHOWN]}…"


def _shown(value) -> str:
    """As Python writes it; what is large is not written out."""
    if isinstance(value, dict | list) and len(value) > 3:
        return "it"
    said = repr(value)
    return said if len(said) <= SHOWN else f"{said[:SHOWN]}…"
