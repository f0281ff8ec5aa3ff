"""What a #cloud-config is made of, as far as it is kept while it is read."""

import enum
from typing import NamedTuple

from portal.sentences import Sentence

NO_KEY = object()  # a mapping wants a key next


class Kind(enum.Enum):
    """What a node is; the value is what people call it."""

    MAPPING = "a mapping of keys to values"
    LIST = "a list"
    VALUE = "one value"


class Part(NamedTuple):
    """A text of a #cloud-config-archive."""

    type: str  # what it says it is; "" if it says nothing
    text: str
    line: int


class Reading(NamedTuple):
    """What there is to say of a text that is sound."""

    doubts: list[Sentence]
    parts: list[Part]


class Known(NamedTuple):
    """What an alias stands for."""

    kind: Kind
    size: int  # values, itself among them, all aliases unfolded
    only_mappings: bool  # whether it is a list of nothing else


class Open:
    """A collection whose end has not been read."""

    __slots__ = ("anchor", "key", "keys", "kind", "line", "only_mappings", "size")

    def __init__(self, kind: Kind, anchor: str | None, line: int):
        self.kind, self.anchor, self.line = kind, anchor, line
        self.key = NO_KEY
        self.keys: dict = {}
        self.size, self.only_mappings = 1, True
