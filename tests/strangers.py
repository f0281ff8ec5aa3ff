"""Strangers for tests, by the words that the operator reads."""

from workers import specs
from workers.drivers.fake import FakeHost
from workers.specs import Stranger


def stranger(words: str, owner: str | None = None) -> Stranger:
    """The one of these words: "disks <id>". Its owner is its name, unless it is another."""
    kind, _, name = words.partition(" ")
    return Stranger(kind=kind, name=name, owner=name if owner is None else owner)


def words(strangers) -> tuple[str, ...]:
    """What the operator reads of them."""
    return tuple(map(str, strangers))


def leave(host: FakeHost, words: str, owner: str | None = None) -> Stranger:
    """It lies on this host now."""
    left = stranger(words, owner)
    host.put("stranger", words, specs.dump(left))
    return left
