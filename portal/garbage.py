"""Python's collector of cycles, in a process that lives for months.

What was imported never becomes garbage, yet a full collection walks all of it: 100 to 250 ms in
which nothing else happens. https://docs.python.org/3/library/gc.html#gc.freeze
"""

import gc

MADE = 10_000  # more objects than were freed, before the youngest are looked through


def spare_what_stays() -> None:
    """What there is now is not looked through again; what is made from now on still is, so that
    no cycle stays. Call it when all has been imported and built."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(MADE)
