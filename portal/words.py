"""How sizes, durations and moments are said: the same everywhere, by one function each; and
sentences that hold them.

Whatever a person reads takes its unit from here, so that 8 GiB of memory stand beside 80 GiB of
disk, and eleven minutes are not 654.5 s.
"""

import string
from collections.abc import Mapping
from datetime import datetime, timedelta

from portal.db import now

UNITS = ((30, "GiB"), (20, "MiB"), (10, "KiB"))
SPANS = ((86_400, "d"), (3600, "h"), (60, "min"))
SHORT_SECONDS = 10  # below it a tenth of a second is said


def size(count: int) -> str:
    """So many bytes: 512 bytes, 16.2 MiB, 1.25 GiB, 4000 GiB. Two decimals where they say it
    exactly, else one."""
    for power, unit in UNITS:
        if abs(count) >= 2**power:
            amount = count / 2**power
            exact = round(amount, 2) == amount
            return f"{_plain(amount, 2 if exact else 1)} {unit}"
    return f"{count} bytes"


def memory(mib: int) -> str:
    """So many MiB: 0 MiB, 512 MiB, 1.5 GiB."""
    return size(mib * 2**20) if mib else "0 MiB"


def disk(gib: int) -> str:
    """So many GiB: 80 GiB."""
    return f"{gib} GiB"


def duration(amount: float | timedelta) -> str:
    """How long, from a number of seconds or a span, in at most two units: 0.4 s, 42 s,
    10 min 55 s, 2 h."""
    seconds = amount.total_seconds() if isinstance(amount, timedelta) else amount
    if seconds < SHORT_SECONDS:
        return f"{_plain(max(0.0, seconds), 1)} s"
    rest, parts = round(seconds), []
    for length, unit in (*SPANS, (1, "s")):
        count, rest = divmod(rest, length)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(filter(None, parts))


def since(moment: datetime | None) -> str:
    """How long ago, in one unit: "3 min ago"."""
    if moment is None:
        return "never"
    seconds = max(0, int((now() - moment).total_seconds()))
    for length, unit in SPANS:
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago" if seconds else "just now"


def until(moment: datetime) -> str:
    """In how long: "in 42 s"; "now" once it has come."""
    left = int((moment - now()).total_seconds())
    return f"in {duration(left)}" if left > 0 else "now"


def moment(at: datetime) -> str:
    """When, on the day that it is: "12:03:05 UTC"; on another with its date."""
    day = "" if at.date() == now().date() else "%Y-%m-%d "
    return at.strftime(f"{day}%H:%M:%S UTC")


def worded(template: str, arguments: Mapping[str, object]) -> str:
    """The sentence in English: every `{name}` is the argument of that name as it is, and every
    `{name:spec}` as SPECS has it. Without arguments the template is said as it stands."""
    return _WORDING.vformat(template, (), arguments) if arguments else template


SPECS = {  # how a value is worded, by what stands behind its name
    "": str,
    "count": "{:,}".format,
    "size": size,
    "memory": memory,
    "disk": disk,
    "duration": duration,
    "since": since,
    "until": until,
    "moment": moment,
    "state": lambda status: status.word.lower(),
    "verb": lambda action: action.replace("_", " "),
    "list": lambda many: ", ".join(map(str, many)),
    "all": lambda many: " and ".join(map(str, many)),
    "parts": lambda many: "; ".join(map(str, many)),
}


class _Wording(string.Formatter):
    """Asks nothing of a value but its words: no attribute, no item."""

    def get_field(self, field_name, args, kwargs):
        return kwargs[field_name], field_name

    def format_field(self, value, format_spec):
        return SPECS[format_spec](value)


_WORDING = _Wording()


def _plain(amount: float, decimals: int) -> str:
    """Without an end of zeros, and never as a power of ten."""
    text = f"{amount:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
