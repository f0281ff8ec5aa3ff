"""Names that only one thing may bear, whatever it looks like on a screen."""

import hashlib
import unicodedata

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

# Letters and digits that look like a Latin letter in most fonts, as far as people's keyboards have
# them. https://www.unicode.org/reports/tr39/#Confusable_Detection
LOOK_ALIKE = str.maketrans(
    "01\u0261"  # digits, and a Latin one
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456"  # Cyrillic
    "\u0458\u0455\u0501\u051b\u051d\u04cf\u04bb"
    "\u03b1\u03bf\u03bd\u03c1\u03c5\u03c7\u03b9\u03ba\u03f2\u03f3"  # Greek
    "\u0585\u0581\u0570\u0578\u057d\u0566",  # Armenian
    "olg" "aeopcyxijsdqwlh" "aovpuxikcj" "oghnuq",
)  # fmt: skip


def reading(name: str) -> str:
    """What is left of a name when case, width and look-alike letters are not told apart."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(folded.translate(LOOK_ALIKE).split())


def reads_as(name: str) -> str:
    """`reading`, of one length for every name: SHA-256, hexadecimal."""
    return hashlib.sha256(reading(name).encode("utf-8", "surrogatepass")).hexdigest()


class Distinct:
    """Has a name that no other of its kind reads like. Tables say within what it is unique."""

    reads_as: Mapped[str] = mapped_column(
        String(64),
        default=lambda context: reads_as(context.get_current_parameters()["name"]),
    )


class Called:
    """Has a name that a program may have left out."""

    @property
    def called(self) -> str:
        """What people call it: by its name, or by the beginning of its id."""
        return self.name or str(self.id)[:8]
