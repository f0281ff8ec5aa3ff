"""What things and guests may be called: one place for every noun and every front door.

Names of most things are labels: two things may bear the same. Those of people, projects and
flavors are distinct: nobody's name reads like another's (`portal/models/named.py` has the
constraint). What nobody can see is in none of them, so that each can be typed again from what a
page shows.
"""

import itertools
import re
import unicodedata
import uuid
from collections.abc import Collection, Sequence

from portal.errors import Refused
from portal.sentences import Sentence

LONGEST = 255
HOSTNAME_LONGEST = 63  # RFC 1123, a label

REFUSED = {"Cc", "Cs", "Co", "Zl", "Zp"}  # categories: control, half, private, ends of lines
LOOKS = "\ufe0e\ufe0f"  # choose the look of the character before
DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
UNSEEN = re.compile(  # what takes no room, or looks like a blank and is a letter
    f"[{DIRECTIONS}\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065"
    "\u206a-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
NO_XML = "\ufffe\uffff"  # no characters, which no XML may hold (XML 1.0, 2.2)
MISLEADING = re.compile(f"[{DIRECTIONS}\u00ad\u200b\u2060-\u2064\ufeff]")
WHOLE_SCRIPTS = {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"}

# What dnsmasq(8) reads as an order or a time where a name may stand, what resolvers read as an
# address (inet_aton(3)), and names that belong to somebody.
NO_HOSTNAME = re.compile(
    r"[0-9]+[smhdw]?|0x[0-9a-f]*|ignore|infinite|localhost|broadcasthost|wpad|isatap"
)


def label(text: str, *, field: str = "name") -> str:
    """`text` as a label: 1 to 255 characters that can be seen, in one line, runs of blanks as one.
    Raises Refused."""
    name = _plain(text.translate(dict.fromkeys(map(ord, LOOKS))))
    if not name:
        raise Refused("Give it a name.", field=field)
    if len(name) > LONGEST:
        raise Refused(
            "A name has at most {longest} characters; this one has {length}.",
            longest=LONGEST,
            length=len(name),
            field=field,
        )
    if any(unicodedata.category(each) in REFUSED or each in NO_XML for each in name):
        raise Refused("A name is one line without control characters.", field=field)
    if found := UNSEEN.search(name):
        raise Refused(
            "Behind “{before}” this name holds what cannot be seen: {called} ({code}). Type it "
            "anew."
            if found.start()
            else "At its beginning this name holds what cannot be seen: {called} ({code}). Type it "
            "anew.",
            before=name[: found.start()][-20:],
            called=unicodedata.name(found[0], "an unnamed character").lower(),
            code=f"U+{ord(found[0]):04X}",
            field=field,
        )
    return name


def as_given(text: str, *, field: str = "name") -> str:
    """`text` as programs give it, every blank of it: a label, or nothing at all. Raises Refused."""
    if text.strip():
        label(text, field=field)
    if len(text) > LONGEST:
        raise Refused(
            "A name has at most {longest} characters; this one has {length}.",
            longest=LONGEST,
            length=len(text),
            field=field,
        )
    if any(unicodedata.category(each) in REFUSED for each in text):
        raise Refused("A name is one line without control characters.", field=field)
    return text


def distinct(text: str, *, field: str = "name") -> str:
    """`text` as a label that nobody takes for another one: no word mixes alphabets whose letters
    look alike. Raises Refused."""
    name = label(text, field=field)
    for word in re.findall(r"[^\W\d_]+", name):
        scripts = {unicodedata.name(each, "").partition(" ")[0] for each in word} & WHOLE_SCRIPTS
        if len(scripts) > 1:
            raise Refused(
                "“{word}” mixes {scripts:all} letters, which look alike. Write it in one alphabet.",
                word=word,
                scripts=sorted(each.capitalize() for each in scripts),
                field=field,
            )
    return name


def taken(noun: str, name: str, held: str) -> Sentence:
    """What is said when another `noun` has this name, or one that reads like it."""
    if name == held:
        return Sentence("There is a {noun} named {name} already.", noun=noun, name=name)
    return Sentence(
        "There is a {noun} named {held} already, and {name} reads like it.",
        noun=noun,
        held=held,
        name=name,
    )


def shown(text):
    """Text for a page: without what would turn its direction or hide in it. Sentences are worded;
    anything else than plain text is passed on as it is."""
    if isinstance(text, Sentence):
        text = str(text)
    if type(text) is not str or text.isascii():
        return text
    return MISLEADING.sub("", text)


def seen(text: str) -> str:
    """What is left of a text when what cannot be seen is not there; composed."""
    return unicodedata.normalize("NFC", UNSEEN.sub("", text))


def as_seen(name: str) -> str:
    """A name as people can type it: what cannot be seen in an old one is left out."""
    return _plain(seen(name)) or "unnamed"


def typed(text: str, name: str) -> bool:
    """Whether somebody has typed this name as a page shows it."""
    return bool(text.strip()) and as_seen(text) == as_seen(name)


def hostname(name: str, fallback: str) -> str:
    """The DNS label that a guest of this name bears: lower case, [a-z0-9-], at most 63, and
    nothing that could be taken for a number or an order: 2024 becomes i-2024."""
    return _unmistakable(_dashed(name) or fallback)


def hostnames(name: str, ids: Sequence[uuid.UUID], taken: Collection[str] = ()) -> list[str]:
    """The DNS labels of so many guests that are made at once by this name, all different and none
    of them `taken`. What has to be shortened is so before its number."""
    base, made = _dashed(name), []
    for number, each in enumerate(ids, start=1):
        first = base or f"instance-{str(each)[:8]}"
        wanted = _unmistakable(_with(first, number) if base and len(ids) > 1 else first)
        candidates = (_with(wanted, again) for again in itertools.count(2))
        free = itertools.chain([wanted], candidates)
        made.append(next(each for each in free if each not in taken and each not in made))
    return made


def numbered(name: str, count: int) -> list[str]:
    """`count` names: the name itself, or name-1 … name-N, shortened before the number."""
    if count == 1:
        return [name]
    suffixes = [f"-{number}" for number in range(1, count + 1)]
    return [_cut(name, LONGEST - len(each)) + each for each in suffixes]


def _cut(name: str, length: int) -> str:
    return name if len(name) <= length else name[:length].rstrip()


def _dashed(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:HOSTNAME_LONGEST].strip("-")


def _unmistakable(hostname: str) -> str:
    return f"i-{hostname}"[:HOSTNAME_LONGEST] if NO_HOSTNAME.fullmatch(hostname) else hostname


def _with(hostname: str, number: int) -> str:
    suffix = f"-{number}"
    return hostname[: HOSTNAME_LONGEST - len(suffix)].rstrip("-") + suffix


def _plain(text: str) -> str:
    """Composed, blanks of every kind as one."""
    name = unicodedata.normalize("NFC", text.strip())
    blanks = "".join(
        " " if unicodedata.category(character) == "Zs" else character for character in name
    )
    return re.sub(" {2,}", " ", blanks).strip()
