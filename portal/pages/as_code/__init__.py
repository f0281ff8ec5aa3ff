"""What a form would do, or a page shows, as code: a command line, a request, a Terraform block.

One file a noun says which; how texts are quoted is said here, once. Whatever a name holds, a shell
and Terraform read it back as that name.
"""

import dataclasses
import json
import re
import shlex
from collections.abc import Mapping

from flask import request

TERRAFORM_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclasses.dataclass(frozen=True)
class Code:
    """What is said in three ways, and what none of them can say."""

    command: str
    request: str
    terraform: str
    remark: str = ""


@dataclasses.dataclass(frozen=True)
class Raw:
    """An expression of Terraform, which stands there as it is."""

    text: str


def openstack(*words: str, piped: str | None = None, **options) -> str:
    """The line of the openstack client with these words; `options` by name, "_" for "-": a list
    gives one several times, True gives it without a value, None and "" not at all. `piped` is what
    the client reads from its standard input."""
    *verb, name = words
    parts = [shlex.join(["openstack", *verb])]
    for option, value in options.items():
        flag = f"--{option.replace('_', '-')}"
        for each in value if isinstance(value, list) else [value]:
            if each is True:
                parts.append(flag)
            elif each not in (None, ""):
                parts.append(shlex.quote(f"{flag}={each}"))
    parts.append(f"-- {shlex.quote(name)}")
    line = " \\\n  ".join(parts)
    return line if piped is None else f"printf %s {shlex.quote(piped)} | {line}"


def curl(method: str, path: str, body: dict | None = None, *, microversion: str = "") -> str:
    """The request, by curl, with a token that the shell holds."""
    parts = [
        "curl -sS" if method == "GET" else f"curl -sS -X {method}",
        shlex.quote(f"{request.url_root.rstrip('/')}{path}"),
        '-H "X-Auth-Token: $TOKEN"',
    ]
    if microversion:
        parts.append(f"-H 'OpenStack-API-Version: {microversion}'")
    if body is not None:
        parts.append("-H 'Content-Type: application/json'")
        parts.append(f"-d {shlex.quote(json.dumps(body))}")
    return " \\\n  ".join(parts)


def resource(kind: str, name: str, values: Mapping, *, imported: str = "") -> str:
    """A block of Terraform. With `imported`, an id, also the one that takes over what is there."""
    label = identifier(name)
    lines = [f'resource "{kind}" "{label}" {{', *_lines(values, 1), "}"]
    if imported:
        lines += ["", "import {", f"  to = {kind}.{label}", f"  id = {_value(imported)}", "}"]
    return "\n".join(lines)


def identifier(name: str) -> str:
    """What Terraform can call a thing of this name.

    https://developer.hashicorp.com/terraform/language/syntax/configuration#identifiers"""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-")[:60]
    return plain if plain[:1].isalpha() else f"this_{plain}".rstrip("_")


def template(text: str) -> str:
    """A text inside Terraform's quotes.

    https://developer.hashicorp.com/terraform/language/expressions/strings"""
    escaped = "".join(TERRAFORM_ESCAPES.get(each, each) for each in text)
    escaped = re.sub(r"([$%]?)([$%])\{", _no_expression, escaped)
    return re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04x}", escaped)


def _no_expression(found: re.Match) -> str:
    """What would begin an expression is doubled; behind another such sign that would say nothing
    for sure, and it is named by its number."""
    before, sign = found.groups()
    return f"{before}\\u{ord(sign):04x}{{" if before else f"{sign}{sign}{{"


def _lines(values: Mapping, depth: int) -> list[str]:
    indent, found = "  " * depth, []
    given = {name: value for name, value in values.items() if value not in (None, "", [])}
    width = max((len(name) for name, value in given.items() if not _blocks(value)), default=0)
    for name, value in given.items():
        for block in _blocks(value):
            found += ["", f"{indent}{name} {{", *_lines(block, depth + 1), f"{indent}}}"]
        if not _blocks(value):
            found.append(f"{indent}{name:<{width}} = {_value(value)}")
    return found


def _blocks(value) -> list[dict]:
    """What stands there as blocks of one name, and not as an argument."""
    several = value if isinstance(value, list) else [value]
    return [each for each in several if isinstance(each, dict)]


def _value(value) -> str:
    match value:
        case Raw():
            return value.text
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case list():
            return f"[{', '.join(map(_value, value))}]"
    return f'"{template(str(value))}"'
