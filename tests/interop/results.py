"""What became of the tests of a run, read from what stestr writes, and said by service."""

import dataclasses
import re
from collections import Counter
from pathlib import Path

import subunit
from testtools import StreamToDict

PASS, FAIL, SKIP = "pass", "fail", "skip"
WORDS = {"success": PASS, "skip": SKIP, "xfail": PASS}
LINES_SHOWN = 3  # the last ones of a traceback


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of a test, or of the preparation of a class of them."""

    name: str
    outcome: str  # PASS, FAIL or SKIP
    why: str = ""

    @property
    def service(self) -> str:
        found = re.search(r"tempest\.(?:api|scenario)\.(\w+)", self.name)
        return found[1] if found else "other"


def read(file: Path) -> list[Result]:
    """What became of each test."""
    found: list[Result] = []
    summary = StreamToDict(lambda test: found.extend(_results(test)))
    summary.startTestRun()
    with open(file, "rb") as stream:
        subunit.ByteStreamToStreamResult(stream, non_subunit_name="output").run(summary)
    summary.stopTestRun()
    return found


def report(found: list[Result]) -> bool:
    """Print the table, and whatever did not pass with its reason. Whether all passed, and any."""
    for each in sorted(found, key=lambda each: each.name):
        if each.outcome is not PASS:
            print(f"{each.outcome}  {each.name}\n      {each.why}")
    print(f"{'service':20}{PASS:>6}{FAIL:>6}{SKIP:>6}")
    for service in sorted({each.service for each in found}):
        counts = Counter(each.outcome for each in found if each.service == service)
        print(f"{service:20}{counts[PASS]:6}{counts[FAIL]:6}{counts[SKIP]:6}")
    return bool(found) and all(each.outcome is PASS for each in found)


def _results(test: dict) -> list[Result]:
    if test["status"] == "exists":  # it was only named, by the list of what will run
        return []
    said = test["details"].get("reason") or test["details"].get("traceback")
    lines = said.as_text().strip().splitlines() if said else []
    why = " | ".join(line.strip() for line in lines[-LINES_SHOWN:])
    return [Result(test["id"], WORDS.get(test["status"], FAIL), why)]
