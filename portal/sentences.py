"""Sentences that have not been worded yet: a template and the values that belong into it.

A value is one until a front door words it (`portal/words.py` has the formatter): so pages, the
API and whoever translates them start from the same sentence.
"""

from collections.abc import Mapping


class Sentence:
    """A template in English with `{name}` for each of its arguments; `{name:memory}` says how a
    value is worded. An argument may be a Sentence itself, or a list. Without arguments the text
    is said as it stands, braces and all."""

    __slots__ = ("arguments", "template")

    def __init__(self, template: str, /, **arguments):
        self.template = template
        self.arguments: Mapping[str, object] = arguments

    def __str__(self) -> str:
        from portal.words import worded  # which asks the clock of the database, which may refuse

        return worded(self.template, self.arguments)

    def __repr__(self) -> str:
        return f"Sentence({self.template!r}, {dict(self.arguments)!r})"
