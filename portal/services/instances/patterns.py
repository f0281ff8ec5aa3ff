"""Regular expressions by which programs look for names and addresses, and how long they may take.

Whatever somebody sends is matched with every name of a project, so only what takes no more than
the third power of a name's length is let through: no repetition of a repetition, at most three that
could share out the same text among themselves, and nothing that SQLite's and PostgreSQL's ways of
matching read differently.
https://www.postgresql.org/docs/current/functions-matching.html#POSIX-SYNTAX-DETAILS
"""

import re

from sqlalchemy import ColumnElement

from portal.errors import Refused
from portal.services.listing import like

LONGEST = 255
FREEDOMS = 3
MOST_PATTERNS = 5  # that are looked for at once
TOKEN = re.compile(
    r"(?P<escape>\\[dDsSwW]|\\[^a-zA-Z0-9])"
    r"|(?P<set>\[\^?\]?(?:\\[dDsSwW]|\\[^a-zA-Z0-9]|[^\]\\\[])*\])"
    r"|(?P<repeat>[*+?]|\{[0-9]{1,2}(?:,(?:[0-9]{1,2})?)?\})"
    r"|(?P<open>\((?:\?:)?(?!\?))|(?P<close>\))"
    r"|(?P<plain>[^\\\[\](){}*+?])",
    re.DOTALL,
)
SPECIAL = re.compile(r"[\\\[\](){}*+?^$|]")
WIDE_BEGIN, WIDE_END = re.compile(r"\^?\.\*"), re.compile(r"(?<!\\)\.\*\$?")


def matches(column: ColumnElement, text: str, *, literal: str = "") -> ColumnElement[bool]:
    """Whether a column holds what `text` describes: a regular expression, or a part of what
    stands there in any case. Signs of `literal` mean themselves where no other has a meaning.
    Raises Refused for a pattern that is none, or that could take too long."""
    special = SPECIAL.search(text) or ("." in text and "." not in literal)
    if not special:
        return column.ilike(like(text), escape="\\")
    return column.regexp_match(bounded(text))


def bounded(text: str) -> str:
    """A pattern without what makes no difference at its ends. Raises Refused for one that is none,
    or that could take too long."""
    pattern = text
    if found := WIDE_BEGIN.match(pattern):
        pattern = pattern[found.end() :]
    if (found := WIDE_END.search(pattern)) and found.end() == len(pattern):
        pattern = pattern[: found.start()]
    if len(text) > LONGEST or _freedoms(pattern) > FREEDOMS:
        raise Refused(
            "This pattern could take too long. Write one with fewer of * + ? and without any of "
            "them behind a bracket.",
            field="name",
        )
    return pattern


def _freedoms(pattern: str) -> int:
    """By how many places a match may be shared out: the repetitions, and where it begins."""
    anchored = pattern.startswith("^") and "|" not in pattern
    freedoms, end, before = 0 if anchored else 1, 0, "open"
    while end < len(pattern):
        token = TOKEN.match(pattern, end)
        if token is None:
            raise _none()
        end = token.end()
        if token.lastgroup == "repeat":
            if before == "close":
                return FREEDOMS + 1
            if before in ("open", "repeat"):
                raise _none()
            freedoms += 1
        before = token.lastgroup
    try:
        re.compile(pattern)
    except (re.error, OverflowError):
        raise _none() from None
    return freedoms


def _none() -> Refused:
    return Refused(
        "This is no pattern that is understood here: letters and digits, . * + ? [ ] ( ) | ^ $, "
        "and a backslash before a sign that means itself.",
        field="name",
    )
