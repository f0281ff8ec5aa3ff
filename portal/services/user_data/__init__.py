"""What people give to cloud-init, judged before anything exists.

cloud-init says nothing to the person at the screen: a text that it takes for nothing it knows is
ignored, and the machine comes up bare. So it is read here as it would be read there. What cannot
be right is refused, with its line; what is only strange is a doubt, which its owner may overrule.

Whatever is sent costs little: a text has 64 KiB at most, its YAML is read by libyaml event by
event, and nothing is ever constructed from it (see `cloud_config`).

https://docs.cloud-init.io/en/latest/explanation/format.html
"""

import json
import re

from portal.sentences import Sentence
from portal.services.user_data import characters, multipart, packed
from portal.services.user_data.cloud_config import read as read_yaml
from portal.services.user_data.nodes import Kind, Reading
from portal.services.user_data.wrong import wrong

LARGEST = 65_535  # bytes, as OpenStack's servers API has it
DEEPEST = 3  # parts within parts that are looked into

ARCHIVE, CONFIG, PATCH = "#cloud-config-archive", "#cloud-config", "#cloud-config-jsonp"
JINJA, SCRIPT = "## template: jinja", "#!"
KNOWN = (  # how a text begins that cloud-init knows, the longer of two first
    ARCHIVE, PATCH, CONFIG, "#cloud-boothook", "#include-once", "#include", "#part-handler",
    JINJA, SCRIPT,
)  # fmt: skip
OTHERS = ("<powershell", "#ps1", "rem cmd")  # what cloudbase-init, cloud-init for Windows, knows
KINDS = {  # what a part of a message says it is → how such a text begins
    "text/cloud-config": CONFIG,
    "text/cloud-config-archive": ARCHIVE,
    "text/x-shellscript": SCRIPT,
}


def checked(text: str, *, as_it_is: bool = False) -> str:
    """`text` as an instance gets it: without a byte order mark, its lines ended by LF alone.

    Raises Refused, field `user_data`, for what cannot be right, and unless `as_it_is` for what
    cloud-init would ignore."""
    if len(text) > LARGEST or len(text.encode("utf-8", "surrogatepass")) > LARGEST:
        size = len(text.encode("utf-8", "surrogatepass"))
        raise wrong(
            "User data has at most {largest:count} bytes; this has {size:count}.",
            largest=LARGEST,
            size=size,
        )
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        return ""
    characters.check(text)
    packed.check(text, KNOWN)
    doubts = _doubts(text, line=1, depth=1)
    doubts += characters.doubts(text)
    if doubts and not as_it_is:
        raise wrong("{doubt} Mend it, or tick “Use it as it is”.", doubt=doubts[0])
    return text


def _doubts(text: str, *, line: int, depth: int) -> list[Sentence]:
    """What makes it likely that cloud-init ignores the text, or a part of it. `line`: in which it
    begins. Raises Refused."""
    beginning = text.lstrip()
    lowered, first = beginning[:100].lower(), line
    line += text[: len(text) - len(beginning)].count("\n")
    known = next((each for each in KNOWN if lowered.startswith(each)), None)
    if known == SCRIPT:
        return _doubts_of_script(text, line)
    if known in (CONFIG, ARCHIVE):
        return _doubts_of_yaml(text, known, first, depth)
    if known == PATCH:
        return _doubts_of_patch(beginning, line)
    if known == JINJA:
        return _doubts_of_template(beginning, line)
    if known:
        return []
    if multipart.is_message(text):
        return _doubts_of_message(text, first, depth)
    if lowered.startswith(OTHERS) or (lowered.startswith("{") and _is_ignition(text)):
        return []
    return [_unknown(beginning, line)]


def _unknown(beginning: str, line: int) -> Sentence:
    first = beginning.partition("\n")[0].rstrip()
    shown = first if len(first) <= 40 else f"{first[:40]}…"
    lowered = first.lower()
    if lowered.startswith(("content-type: multipart", "content-type:multipart")):
        return Sentence(
            "cloud-init reads a message of several parts only when its headers hold the line "
            "MIME-Version: 1.0."
        )
    hint = Sentence("A script begins with #!, a configuration with #cloud-config.")
    if re.match(r"#\s+cloud-config", lowered):
        hint = Sentence("It wants #cloud-config without a blank.")
    elif first.startswith("---") or re.match(r"[\w-]+:(\s|$)", first):
        hint = Sentence("It reads YAML only when the first line is #cloud-config.")
    elif lowered.startswith(("##template", "## template")):
        hint = Sentence("It wants exactly {beginning}.", beginning=JINJA)
    return Sentence(
        "Line {line} begins with “{shown}”, which cloud-init knows nothing by. {hint}",
        line=line,
        shown=shown,
        hint=hint,
    )


def _doubts_of_script(text: str, line: int) -> list[Sentence]:
    if text.startswith(SCRIPT):
        return []
    return [
        Sentence(
            "The script begins in line {line}, behind something empty: it can only be run when #! "
            "are its very first characters.",
            line=line,
        )
    ]


def _doubts_of_yaml(text: str, known: str, line: int, depth: int) -> list[Sentence]:
    reading = read_yaml(text, root=Kind.LIST if known == ARCHIVE else Kind.MAPPING, line=line)
    if known != ARCHIVE or depth >= DEEPEST:
        return reading.doubts
    return reading.doubts + _doubts_of_parts(reading, depth)


def _doubts_of_parts(reading: Reading, depth: int) -> list[Sentence]:
    doubts = []
    for each in reading.parts:
        doubts += _doubts_of_part(each.type, each.text, each.line, depth)
    return doubts


def _doubts_of_part(kind: str, text: str, line: int, depth: int) -> list[Sentence]:
    """A part of a larger whole: what it says it is counts, or else how it begins."""
    beginning = KINDS.get(kind)
    if beginning in (CONFIG, ARCHIVE) and not text.lstrip().lower().startswith(CONFIG):
        return _doubts_of_yaml(text, beginning, line, depth + 1)
    if kind and beginning is None and kind != "text/plain":
        return []
    return _doubts(text, line=line, depth=depth + 1) if text.strip() else []


def _doubts_of_patch(text: str, line: int) -> list[Sentence]:
    try:
        patch = json.loads(text.partition("\n")[2] or "null")
    except (ValueError, RecursionError) as error:
        raise wrong(
            "This {patch} is not valid JSON in line {line}."
            if hasattr(error, "lineno")
            else "This {patch} is not valid JSON.",
            patch=PATCH,
            line=line + getattr(error, "lineno", 0),
        ) from None
    if not isinstance(patch, list):
        raise wrong("A {patch} is a list of operations, as in RFC 6902.", patch=PATCH)
    return []


def _doubts_of_template(text: str, line: int) -> list[Sentence]:
    """What a template comes to is known in the guest alone; not how it begins."""
    rest = text.partition("\n")[2]
    if rest.lstrip().lower().startswith(KNOWN) or rest.lstrip().startswith("{"):
        return []
    return [
        Sentence(
            "Behind {beginning} in line {line} comes nothing that cloud-init knows.",
            beginning=JINJA,
            line=line,
        )
    ]


def _doubts_of_message(text: str, line: int, depth: int) -> list[Sentence]:
    parts, doubts = multipart.parts(text, line)
    if depth < DEEPEST:
        for each in parts:
            doubts += _doubts_of_part(each.type, each.text, each.line, depth)
    return doubts


def _is_ignition(text: str) -> bool:
    """https://coreos.github.io/ignition/specs/"""
    try:
        return "ignition" in json.loads(text)
    except (ValueError, RecursionError, TypeError):
        return False


__all__ = ["LARGEST", "checked"]
