"""Characters that are not what they look like, or do not belong into a text."""

import re
import unicodedata

from portal.sentences import Sentence
from portal.services.user_data.wrong import wrong

# What looks like a blank, or like nothing, and is neither to YAML nor to a shell.
UNSEEN = "\u00a0\u00ad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
LOOKALIKE = re.compile(rf"(?m)^[ \t]*(?:- )*[{UNSEEN}]|[:-][{UNSEEN}]")
ONE_UNSEEN = re.compile(f"[{UNSEEN}]")
NAMES = {"\ufeff": "byte order mark"}  # what people call it, where Unicode does not


def check(text: str) -> None:
    """Raises Refused for what no text holds."""
    if (at := text.find("\0")) >= 0:
        raise wrong(
            "User data is text; this holds a NUL byte in line {line}.", line=line_of(text, at)
        )
    if text.startswith("\x1f"):
        raise wrong("This is compressed by gzip. Paste the text that was compressed.")
    if found := re.search("[\ud800-\udfff]", text):
        raise wrong(
            "Line {line} holds half a character ({code}), which is no text.",
            line=line_of(text, found.start()),
            code=code(found[0]),
        )


def doubts(text: str) -> list[Sentence]:
    """What was lost on the way here."""
    at = text.find("\ufffd")
    if at < 0:
        return []
    return [
        Sentence(
            "Line {line} holds {code}, which stands for what could not be read: this was no text "
            "in UTF-8.",
            line=line_of(text, at),
            code=code("\ufffd"),
        )
    ]


def hint(text: str, *, line: int) -> Sentence | None:
    """On the first such character where it does harm; None if there is none."""
    found = LOOKALIKE.search(text)
    if not found:
        return None
    where = line + line_of(text, found.start()) - 1
    return unseen(found[0], where)


def unseen(text: str, line: int) -> Sentence:
    """What is said of the first unseen character of `text`."""
    [character] = ONE_UNSEEN.search(text)[0]
    return Sentence(
        "Line {line} holds {character}, which looks like a blank or like nothing, and is part of "
        "a word to YAML.",
        line=line,
        character=named(character),
    )


def named(character: str) -> str:
    """What people call it, and its number."""
    name = NAMES.get(character) or unicodedata.name(character, "").lower()
    return f"a {name} ({code(character)})" if name else code(character)


def code(character: str) -> str:
    """U+00A0"""
    return f"U+{ord(character):04X}"


def line_of(text: str, at: int) -> int:
    """The number of the line with the character at `at`, from 1."""
    return text.count("\n", 0, at) + 1
