"""What things may be called. Names are labels: two things may bear the same."""

import re
import unicodedata

from portal.errors import Refused

LONGEST = 255
HOSTNAME_LONGEST = 63  # RFC 1123, a label


def label(text: str, *, field: str = "name") -> str:
    """`text` as a label: 1 to 255 characters, none of them a control character. Raises Refused."""
    name = unicodedata.normalize("NFC", text.strip())
    if not name:
        raise Refused("Give it a name.", field=field)
    if len(name) > LONGEST:
        raise Refused(
            f"A name has at most {LONGEST} characters; this one has {len(name)}.", field=field
        )
    if any(unicodedata.category(character) in ("Cc", "Cs", "Co", "Zl", "Zp") for character in name):
        raise Refused("A name is one line without control characters.", field=field)
    return name


def hostname(name: str, fallback: str) -> str:
    """The DNS label that a guest of this name bears: lower case, [a-z0-9-], at most 63."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    dashed = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return dashed[:HOSTNAME_LONGEST].strip("-") or fallback


def numbered(name: str, count: int) -> list[str]:
    """`count` names: the name itself, or name-1 … name-N."""
    if count == 1:
        return [name]
    return [f"{name}-{number}" for number in range(1, count + 1)]
