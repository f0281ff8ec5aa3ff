"""Messages of several parts (RFC 2046), as far as cloud-init looks at them.

Only the outermost parts are looked for, line by line, each line once: whatever is sent, it takes
no longer than its length.
"""

import base64
import binascii
import itertools
import re
from typing import NamedTuple

from portal.sentences import Sentence

LOOKED_AT = 4096  # bytes in which cloud-init looks for the header that makes it a message
BOUNDARY = re.compile(r'boundary="?([^"\s;]{1,200})"?', re.IGNORECASE)
TYPE = re.compile(r"content-type:\s*([^\s;]{1,100})", re.IGNORECASE)
ENCODING = re.compile(r"content-transfer-encoding:\s*(\S{1,40})", re.IGNORECASE)


class Part(NamedTuple):
    """One text of several."""

    type: str  # what it says it is; "" if it says nothing
    text: str
    line: int  # in which it begins


def is_message(text: str) -> bool:
    """Whether cloud-init takes the text for a message."""
    return b"mime-version:" in text.encode()[:LOOKED_AT].lower()


def parts(text: str, line: int) -> tuple[list[Part], list[Sentence]]:
    """The parts of a message, but for those in an encoding that is read in the guest alone, and
    what is doubtful about the whole."""
    lines = text.split("\n")
    end = next((at for at, each in enumerate(lines) if not each.strip() and at), len(lines))
    found = BOUNDARY.search("\n".join(lines[:end]))
    if not found:
        return [], [Sentence("The headers of this message name no boundary, so it has no parts.")]
    opening, closing = f"--{found[1]}", f"--{found[1]}--"
    marks = [at for at, each in enumerate(lines) if each.rstrip() in (opening, closing)]
    if not marks:
        return [], [
            Sentence(
                "No line of this message is its boundary {opening}, so it has no parts.",
                opening=opening,
            )
        ]
    pieces = [
        _part(lines[start + 1 : stop], line + start + 1)
        for start, stop in itertools.pairwise([*marks, len(lines)])
        if lines[start].rstrip() == opening
    ]
    return [each for each in pieces if each], []


def _part(lines: list[str], line: int) -> Part | None:
    end = next((at for at, each in enumerate(lines) if not each.strip()), len(lines))
    headers, body = "\n".join(lines[:end]), "\n".join(lines[end + 1 :])
    kind, encoding = TYPE.search(headers), ENCODING.search(headers)
    name = kind[1].lower() if kind else ""
    match (encoding[1] if encoding else "8bit").lower():
        case "base64":
            body = _decoded(body)
        case "quoted-printable":
            return None
    return Part(name, body, line + end + 1)


def _decoded(body: str) -> str:
    try:
        return base64.b64decode(body).decode("utf-8", "replace").replace("\r\n", "\n")
    except (binascii.Error, ValueError):
        return ""
