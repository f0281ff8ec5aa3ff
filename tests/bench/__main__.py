"""`python -m tests.bench`: what `scripts/bench` runs."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from portal import db
from tests.bench import (
    accept,
    api,
    api_guests,
    config_disks,
    day,
    figures,
    fleet,
    ground,
    guests,
    idle,
    lists,
)
from tests.bench.portal import Portal


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("part", nargs="?", choices=["all", "api"], default="all")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--directory", type=Path, default=Path("/var/lib/portico"))
    arguments = parser.parse_args()
    password = os.environ["PORTICO_ADMIN_PASSWORD"]
    supervisor = int((arguments.directory / "supervisor.pid").read_text())
    db.connect(f"sqlite:///{arguments.directory}/portal/portico.db")
    portal = Portal(arguments.url, arguments.user, password)
    state, who = arguments.directory / "host", (arguments.user, password)
    everything = arguments.part == "all"
    measured = _said(idle.measure(supervisor, "before")) if everything else []
    with ground.prepared(portal):
        if everything:
            measured += _said(guests.measure(portal, state))
            measured += _said(config_disks.measure(portal, state))
            day.live(portal, *who)
        measured += _said(api_guests.measure(portal, state, *who))
    day.end()
    measured += _said(idle.measure(supervisor, "after use, the API's too"))
    with tempfile.TemporaryDirectory() as directory:
        for part in (lists, accept, fleet, api) if everything else (api,):
            place = Path(directory, part.__name__)
            place.mkdir()
            measured += _said(part.measure(place))
    print(figures.machine(), figures.table(measured), sep="\n\n")


def _said(measured: list[figures.Figure]) -> list[figures.Figure]:
    """Each of them is said at once, so that nothing is lost where a later part fails."""
    for figure in measured:
        print(f"{figure.what}: {figure.measured}", file=sys.stderr, flush=True)
    return measured


if __name__ == "__main__":
    main()
