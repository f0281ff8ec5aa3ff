"""Reading what programs send: JSON, bounded, and judged by a schema before anything else."""

import json
import re
from collections.abc import Sequence

from flask import request

from portal.api import faults, schemas

DEEPEST = 100  # levels of a body; the deepest that any service knows has eight
NEVER_TEXT = re.compile("[\0\ud800-\udfff]")  # no database keeps NUL and half characters


def read(schema: dict | None = None) -> dict:
    """The JSON object of this request, if `schema` has it so. Raises Fault: 415 for anything that
    does not say it is JSON, 413 for too much of it, 400 for what is no JSON, nested too deeply,
    not in UTF-8, or otherwise than the schema has it."""
    if not request.is_json:
        raise faults.Fault(415, "Send JSON, with the header Content-Type: application/json.")
    body = _loaded()
    if not isinstance(body, dict):
        raise faults.bad("The body is a JSON object.")
    if schema is not None and (wrong := schemas.mistake(body, schema)):
        raise faults.bad(wrong)
    return body


def read_list(kinds: Sequence[str]) -> tuple[list, str]:
    """The JSON list of this request, and which of these media types it came as. Raises Fault: 415
    for any other, and as `read` does."""
    if request.mimetype not in kinds:
        raise faults.Fault(415, f"Send JSON, with the header Content-Type: {kinds[0]}.")
    body = _loaded()
    if not isinstance(body, list):
        raise faults.bad("The body is a JSON list.")
    return body, request.mimetype


def _loaded():
    """What this request holds, bounded, in characters that can be kept."""
    raw = request.get_data(cache=False)
    try:
        body = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except RecursionError:
        raise faults.bad("This JSON is nested too deeply.") from None
    except UnicodeDecodeError:
        raise faults.bad("This is not UTF-8.") from None
    except ValueError as error:
        raise faults.bad(f"This is no JSON: {error}.") from None
    if b"\\u" in raw or raw.count(b"[") + raw.count(b"{") > DEEPEST:
        _refuse_what_no_service_reads(body)
    return body


def _refuse_constant(name: str):
    raise ValueError(f"{name} is no number")


def _refuse_what_no_service_reads(body) -> None:
    """Raises Fault for texts that hold no characters, and for levels beyond DEEPEST."""
    waiting = [(body, 1)]
    while waiting:
        value, level = waiting.pop()
        if level > DEEPEST:
            raise faults.bad("This JSON is nested too deeply.")
        if isinstance(value, str) and NEVER_TEXT.search(value):
            raise faults.bad("A text holds what is no character.")
        if isinstance(value, dict):
            waiting += [(each, level + 1) for pair in value.items() for each in pair]
        if isinstance(value, list):
            waiting += [(each, level + 1) for each in value]


def one_or_several(noun: str, one: dict, several: dict) -> tuple[list[dict], bool]:
    """What this request wants made of a noun, and whether it asks in the plural: by its schemas.
    Raises Fault."""
    body = read()
    plural = f"{noun}s" in body
    if wrong := schemas.mistake(body, several if plural else one):
        raise faults.bad(wrong)
    return (body[f"{noun}s"], True) if plural else ([body[noun]], False)


def idempotency_key() -> str:
    """By which a request that creates is known when it comes twice; "" without one."""
    return request.headers.get("Idempotency-Key", "")
