"""The way of a create from the page to the guest: few files, each passed once."""

import itertools
import sys
from pathlib import Path

from portal import config, create_app
from tests import golden
from tests.pages.conftest import Browser
from tests.test_architecture import ROOT
from tests.test_nouns import engine

MOST_FILES = 12

DOWN = {  # what happens on the way to the guest, and the function that does it
    "intent is written": ("portal/services/operations.py", "open_first"),
    "the spec is built": ("portal/conductor/nouns/instances.py", "_spec"),
    "the job is sent": ("portal/conductor/wire.py", "send"),
    "the guest is made": ("workers/drivers/fake/drivers.py", "ensure_domain"),
}
BACK = {
    "the answer is read": ("portal/conductor/wire.py", "look"),
    "the fact is taken": ("portal/conductor/nouns/instances.py", "_take_guest"),
    "the change ends": ("portal/services/instances/ends.py", "ended"),
}


class Watch:
    """Notes through which files of ours the first call of each of some functions came."""

    def __init__(self, points: dict[str, tuple[str, str]]):
        self._points = {point: what for what, point in points.items()}
        self.ways: dict[str, list[str]] = {}

    def __enter__(self):
        sys.setprofile(self._see)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)

    def _see(self, frame, event, _):
        if event != "call" or not (file := _ours(frame)):
            return
        what = self._points.get((file, frame.f_code.co_name))
        if what and what not in self.ways:
            self.ways[what] = _stack(frame)


def _ours(frame) -> str:
    """The file of a frame, if it is the portal's or the workers'."""
    path = Path(frame.f_code.co_filename)
    name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else ""
    return name if name.startswith(("portal/", "workers/")) else ""


def _stack(frame) -> list[str]:
    """The files of ours that lead to a frame, the outermost first, each as often as it is
    entered from another."""
    files = []
    while frame:
        files.append(_ours(frame))
        frame = frame.f_back
    return [file for file, _ in itertools.groupby(filter(None, reversed(files)))]


def _printed(title: str, ways: dict[str, list[str]]) -> str:
    lines = [f"{title}\n"]
    for what, files in ways.items():
        lines += [f"  {what}\n", *(f"    {file}\n" for file in files)]
    return "".join(lines)


def test_a_create_passes_few_files_on_its_way_to_the_guest(cloud):
    alice = Browser(create_app(config.current())).sign_in("alice")
    page = f"/projects/{cloud.project().id}/instances"
    fields = alice.fields(f"{page}/new")
    with Watch(DOWN | BACK) as watch:
        alice.send(page, fields, page=f"{page}/new")
        cloud.settle()
    down = {what: watch.ways[what] for what in DOWN}
    back = {what: watch.ways[what] for what in BACK}
    spine = list(dict.fromkeys(file for files in down.values() for file in files))
    printed = f"{len(spine)} files from the page to the guest\n\n"
    golden.assert_same(
        "spine.txt", printed + _printed("down", down) + "\n" + _printed("back", back)
    )
    assert len(spine) <= MOST_FILES
    loops = {str(path.relative_to(ROOT)) for path in engine()}
    passed = [file for files in down.values() for file in files if file not in loops]
    assert len(passed) == len(set(passed)), "a file is passed twice"
