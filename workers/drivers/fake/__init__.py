"""A host that is not there: all of it in one SQLite file, so that kills are real.

It keeps every promise of the protocols, runs under the real forking worker, can be told to fail
(`fail`), and can lose its power after any number of driver calls (`die_after`). It serves the
laws, work on pages, and trying the product on any laptop.
"""

from workers.drivers.fake.drivers import drivers_of
from workers.drivers.fake.state import FakeHost, PulledPlug

__all__ = ["FakeHost", "PulledPlug", "drivers_of"]
