"""Processes that live for months neither pause for long nor grow."""

import gc
import subprocess
import sys
import weakref

import pytest

from portal import garbage


class Knot:
    """Holds itself, so that only the collector can free it."""

    def __init__(self):
        self.itself = self


@pytest.fixture
def spared():
    thresholds = gc.get_threshold()
    garbage.spare_what_stays()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_a_full_collection_does_not_walk_what_was_imported(spared):
    assert gc.get_freeze_count() > 10 * len(gc.get_objects())


def test_cycles_that_are_made_later_do_not_stay(spared):
    first = weakref.ref(Knot())
    for _ in range(20 * garbage.MADE):
        Knot()
    assert first() is None
    assert sum(isinstance(each, Knot) for each in gc.get_objects()) <= 2 * garbage.MADE


def test_a_process_that_serves_pages_does_not_load_alembic():
    loaded = "import portal.cli, portal.pages, sys; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0
