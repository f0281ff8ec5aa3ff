"""Tables that are printed and kept: a change of one shows in review.

`REWRITE_GOLDEN=1 python -m pytest` prints them anew; read the difference before you commit it.
"""

import os
from pathlib import Path

TESTS = Path(__file__).parent


def assert_same(name: str, text: str) -> None:
    """The file `name` beside this one holds `text`."""
    path = TESTS / name
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(text)
    kept = path.read_text() if path.exists() else ""
    assert text == kept, f"{name} differs; if it should, run with REWRITE_GOLDEN=1"


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Columns as wide as their widest cell."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "".join(f"{line.rstrip()}\n" for line in padded)
