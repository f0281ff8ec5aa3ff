"""A #cloud-config, read event by event as cloud-init would read it, and never constructed.

libyaml (the C parser in PyYAML's wheel) says what comes next; all that is kept of it are the
collections that are open, at most DEEPEST of them, and the size of what bears an anchor. So a
text that would unfold to gigabytes is counted, not unfolded. Of scalars only those are made into
what they stand for that cloud-init would make into a number or a date, one at a time and short:
it ignores the whole text when one of them is none.

cloud-init reads by the part of PyYAML that is written in Python, which takes no tab between
tokens; libyaml does, so they are looked for by themselves.
"""

import bisect
import re
import time

import yaml
from yaml.constructor import SafeConstructor
from yaml.cyaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from portal.errors import Refused
from portal.sentences import Sentence
from portal.services.user_data import characters, faults, keys
from portal.services.user_data.nodes import NO_KEY, Kind, Known, Open, Part, Reading
from portal.services.user_data.wrong import wrong

DEEPEST = 100  # collections in one another; cloud-init gives up at some 300
MOST_VALUES = 20_000  # of a text
MOST_UNFOLDED = 100_000  # values, once every alias stands for what it names
NUMBER_LONGEST = 100  # characters
CPU_SECONDS = 0.25  # of reading; what is in the way of it is refused
LOOK_EVERY = 256  # events between two looks at that clock

NOT_YAML = re.compile(  # PyYAML's Reader.NON_PRINTABLE
    "[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
BREAK = re.compile("[\n\x85\u2028\u2029]")  # what ends a line in YAML 1.1
TAG = "tag:yaml.org,2002:"
MERGE, TEXT = f"{TAG}merge", f"{TAG}str"
SCALARS = {f"{TAG}{name}" for name in ("str", "null", "bool", "python/unicode")}
CALCULATED = {f"{TAG}{name}" for name in ("int", "float", "timestamp", "binary")}
WORDS = {f"{TAG}int": "a number", f"{TAG}float": "a number", f"{TAG}timestamp": "a date"}
QUOTED = ("'", '"', "|", ">")  # styles of a scalar that holds what plain ones cannot


def read(text: str, *, root: Kind, line: int = 1) -> Reading:
    """What is doubtful about a text whose top is `root` and that begins in `line` of what was
    sent. Raises Refused for what cloud-init would not take."""
    if found := NOT_YAML.search(text):
        where = line + characters.line_of(text, found.start()) - 1
        raise wrong(
            "This #cloud-config is not valid YAML in line {line}: it holds {character}, which YAML "
            "does not take.",
            line=where,
            character=characters.named(found[0]),
        )
    walk = _Walk(root, line)
    try:
        walk.through(text)
    except yaml.YAMLError as error:
        fault = faults.with_hint(faults.of_yaml(error, line), text, line)
        raise Refused.saying(fault, field="user_data") from None
    if walk.root not in (root, None):
        fault = Sentence(
            "A {beginning} is {wanted}; this is {found}.",
            beginning="#cloud-config" if root is Kind.MAPPING else "#cloud-config-archive",
            wanted=root.value,
            found=walk.root.value,
        )
        raise Refused.saying(faults.with_hint(fault, text, line), field="user_data")
    return Reading(walk.doubts, walk.parts)


class _Walk:
    """Goes through the events of one text."""

    def __init__(self, root: Kind, line: int):
        self.wanted, self.line = root, line
        self.root: Kind | None = None
        self.doubts: list[Sentence] = []
        self.parts: list[Part] = []
        self._open: list[Open] = []
        self._known: dict[str, Known | None] = {}
        self._quoted: list[tuple] = []  # from where to where tabs are part of a value
        self._part: dict[str, tuple[str, int]] = {}

    def through(self, text: str) -> None:
        """Reads all of it. Raises Refused, YAMLError."""
        parser, began, count, documents = CParser(text), time.thread_time(), 0, 0
        tabs = "\t" in text
        while (event := parser.get_event()) is not None:
            count += 1
            if count % LOOK_EVERY == 0 and time.thread_time() - began > CPU_SECONDS:
                raise wrong("This #cloud-config takes too long to read. Make it simpler.")
            kind = type(event)
            if kind is ScalarEvent:
                if tabs and event.style in QUOTED:
                    self._quoted.append((_place(event.start_mark), _place(event.end_mark)))
                self._scalar(event)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                self._begin(event, Kind.MAPPING if kind is MappingStartEvent else Kind.LIST)
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                self._end()
            elif kind is AliasEvent:
                self._alias(event)
            elif kind is DocumentStartEvent:
                documents += 1
                if documents > 1:
                    raise self._wrong(event, Sentence("a second document begins here, and "
                                                      "cloud-init takes one alone"))  # fmt: skip
            if count > 2 * MOST_VALUES:
                raise wrong(
                    "This #cloud-config has more than {most:count} values.",
                    most=MOST_VALUES,
                )
        if tabs:
            self._check_tabs(text)

    def _scalar(self, event: ScalarEvent) -> None:
        self._learn(event.anchor, event, Known(Kind.VALUE, 1, False))
        tag, line = self._tag(event), self.line + event.start_mark.line
        top = self._open[-1] if self._open else None
        as_key = top is not None and top.kind is Kind.MAPPING and top.key is NO_KEY
        if not as_key or tag != MERGE:
            self._check_scalar(event, tag, as_key)
        if event.style not in QUOTED:
            self._check_seen(event.value, line, as_key)
        key = MERGE if tag == MERGE else event.value
        if not as_key and tag == TEXT:
            self._note_part(top, event)
        self._add(event, Known(Kind.VALUE, 1, False), key)

    def _begin(self, event, kind: Kind) -> None:
        top = self._open[-1] if self._open else None
        if len(self._open) >= DEEPEST:
            raise self._wrong(
                event, Sentence("more than {most} collections are in one another", most=DEEPEST)
            )
        if top and top.kind is Kind.MAPPING and top.key is NO_KEY:
            as_key = Sentence("{kind} is used as a key", kind=kind.value)
            if kind is Kind.MAPPING:
                as_key = Sentence(
                    "{kind} is used as a key; for {{{{ … }}}} to be filled in, the first line is "
                    "## template: jinja",
                    kind=kind.value,
                )
            raise self._wrong(event, as_key)
        allowed = {f"{TAG}map"} if kind is Kind.MAPPING else {f"{TAG}seq"}
        if top and kind is Kind.MAPPING:
            allowed.add(f"{TAG}set")
        if event.tag not in {None, "!", *allowed}:
            raise self._wrong(
                event,
                Sentence("cloud-init has no use for the tag {tag} here", tag=_shown(event.tag)),
            )
        self._learn(event.anchor, event, None)
        self._open.append(Open(kind, event.anchor, event.start_mark.line))

    def _end(self) -> None:
        done = self._open.pop()
        known = Known(done.kind, done.size, done.kind is Kind.LIST and done.only_mappings)
        if done.anchor is not None:
            self._known[done.anchor] = known
        if len(self._open) == 1 and self.wanted is Kind.LIST and done.kind is Kind.MAPPING:
            self._end_part()
        self._add(done, known, None)

    def _alias(self, event: AliasEvent) -> None:
        if event.anchor not in self._known:
            raise self._wrong(
                event, Sentence("nothing is named &{anchor}", anchor=_shown(event.anchor))
            )
        known = self._known[event.anchor]
        if known is None:
            raise self._wrong(
                event, Sentence("&{anchor} holds itself", anchor=_shown(event.anchor))
            )
        top = self._open[-1] if self._open else None
        as_key = top is not None and top.kind is Kind.MAPPING and top.key is NO_KEY
        if as_key and known.kind is not Kind.VALUE:
            raise self._wrong(event, Sentence("{kind} is used as a key", kind=known.kind.value))
        self._add(event, known, f"*{event.anchor}")

    def _add(self, place, known: Known, key: str | None) -> None:
        """The node belongs to the collection that is open, as a key, a value or an item."""
        if not self._open:
            self.root = None if self._is_null(place) else known.kind
            return
        top = self._open[-1]
        top.size += known.size
        if top.size > MOST_UNFOLDED:
            raise self._wrong(place, Sentence(
                "what is named by & and repeated by * unfolds to more than {most:count} values",
                most=MOST_UNFOLDED,
            ))  # fmt: skip
        if top.kind is Kind.LIST:
            top.only_mappings &= known.kind is Kind.MAPPING
        elif top.key is NO_KEY:
            self._add_key(place, top, key)
        else:
            if top.key == MERGE and not (known.kind is Kind.MAPPING or known.only_mappings):
                raise self._wrong(place, Sentence("<<: takes a mapping, or a list of mappings"))
            if len(self._open) == 1 and self.wanted is Kind.MAPPING:
                self._check_top(top.key, known.kind, place)
            top.key = NO_KEY

    def _add_key(self, place, top: Open, key: str) -> None:
        line = self.line + _line(place)
        top.key = key
        if key in top.keys and key != MERGE:
            self._doubt(
                Sentence(
                    "“{key}” stands in line {first} and again in line {line}: cloud-init takes the "
                    "last one alone.",
                    key=_shown(key),
                    first=top.keys[key],
                    line=line,
                )
            )
        top.keys[key] = line

    def _check_top(self, key: str, kind: Kind, place) -> None:
        """What cloud-init makes of a key of its own."""
        if key == MERGE or key.startswith(("x-", ".", "*")) or self.doubts:
            return
        line = self._open[-1].keys[key]
        if key not in keys.EVERY:
            self._doubt(faults.no_key(_shown(key), line, keys.like(key)))
        wanted = keys.EVERY.get(key)
        if wanted and kind is not Kind[wanted.upper()] and not self._is_null(place):
            self._doubt(
                Sentence(
                    "“{key}” in line {line} is {kind}; cloud-init wants {wanted} there.",
                    key=key,
                    line=line,
                    kind=kind.value,
                    wanted=Kind[wanted.upper()].value,
                )
            )

    def _is_null(self, place) -> bool:
        return isinstance(place, ScalarEvent) and self._tag(place) == f"{TAG}null"

    def _tag(self, event: ScalarEvent) -> str:
        """What PyYAML's Resolver takes a scalar for."""
        if event.tag not in (None, "!"):
            return event.tag
        if not event.implicit[0]:
            return TEXT
        resolvers = yaml.SafeLoader.yaml_implicit_resolvers
        for tag, pattern in resolvers.get(event.value[:1], ()):
            if pattern.match(event.value):
                return tag
        return TEXT

    def _check_scalar(self, event: ScalarEvent, tag: str, as_key: bool) -> None:
        if tag in SCALARS or (as_key and tag == f"{TAG}value"):
            return
        what = _shown(event.value)
        if tag not in CALCULATED:
            said = _shown(event.tag) if event.tag else what
            raise self._wrong(
                event,
                Sentence("cloud-init has no use for {said}; put it between quotes", said=said),
            )
        words = WORDS.get(tag, "base64")
        if len(event.value) > NUMBER_LONGEST and tag != f"{TAG}binary":
            raise self._wrong(
                event,
                Sentence("{what} looks like {kind}; put it between quotes", what=what, kind=words),
            )
        try:
            node = yaml.ScalarNode(tag, event.value)
            SafeConstructor.yaml_constructors[tag](SafeConstructor(), node)
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
            yaml.YAMLError,
        ):
            raise self._wrong(
                event,
                Sentence(
                    "{what} looks like {kind} and is none; put it between quotes",
                    what=what,
                    kind=words,
                ),
            ) from None

    def _check_seen(self, value: str, line: int, as_key: bool) -> None:
        """Whether something unseen is part of a word where a blank was meant."""
        if value.isascii():
            return
        if (as_key and characters.ONE_UNSEEN.search(value)) or characters.LOOKALIKE.search(value):
            self._doubt(characters.unseen(value, line))

    def _check_tabs(self, text: str) -> None:
        """Raises Refused for a tab between tokens."""
        for number, line in enumerate(BREAK.split(text)):
            if "\t" not in line:
                continue
            remark = self._remark(number, line)
            for column in (found.start() for found in re.finditer("\t", line[:remark])):
                if not self._is_quoted((number, column)):
                    raise wrong(
                        "This #cloud-config is not valid YAML in line {line}: it holds a tab where "
                        "YAML takes blanks alone.",
                        line=self.line + number,
                    )

    def _remark(self, number: int, line: str) -> int:
        """The column where a comment begins, or the end of the line."""
        marks = (found.end() - 1 for found in re.finditer(r"(?:^|\s)#", line))
        return next((at for at in marks if not self._is_quoted((number, at))), len(line))

    def _is_quoted(self, place: tuple[int, int]) -> bool:
        at = bisect.bisect_right(self._quoted, (place, (1 << 30, 0))) - 1
        return at >= 0 and self._quoted[at][0] <= place < self._quoted[at][1]

    def _note_part(self, top: Open | None, event: ScalarEvent) -> None:
        """Keep what a #cloud-config-archive holds at its top."""
        if self.wanted is not Kind.LIST or top is None:
            return
        line = self.line + event.start_mark.line + (event.style in ("|", ">"))
        if top.kind is Kind.LIST and len(self._open) == 1:
            self.parts.append(Part("", event.value, line))
        elif len(self._open) == 2 and top.key in ("content", "type"):
            self._part[top.key] = (event.value, line)

    def _end_part(self) -> None:
        text, line = self._part.get("content", ("", 0))
        kind, _ = self._part.get("type", ("", 0))
        self._part = {}
        if text:
            self.parts.append(Part(kind.lower(), text, line))

    def _learn(self, anchor: str | None, event, known: Known | None) -> None:
        if anchor is None:
            return
        if anchor in self._known:
            raise self._wrong(event, Sentence("&{anchor} is named twice", anchor=_shown(anchor)))
        self._known[anchor] = known

    def _doubt(self, sentence: Sentence) -> None:
        if not self.doubts:
            self.doubts.append(sentence)

    def _wrong(self, place, problem: Sentence) -> Refused:
        fault = faults.in_line(self.line + _line(place), problem)
        return Refused.saying(fault, field="user_data")


def _line(place) -> int:
    return place.line if isinstance(place, Open) else place.start_mark.line


def _place(mark) -> tuple[int, int]:
    return mark.line, mark.column


def _shown(text: str) -> str:
    """As much of it as a sentence has room for."""
    return text if len(text) <= 40 else f"{text[:40]}…"
