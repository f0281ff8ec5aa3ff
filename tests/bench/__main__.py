"""`python -m tests.bench`: what `scripts/bench` runs."""

import argparse
import os
import tempfile
from pathlib import Path

from portal import db
from tests.bench import (
    accept,
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
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--directory", type=Path, default=Path("/var/lib/portico"))
    arguments = parser.parse_args()
    password = os.environ["PORTICO_ADMIN_PASSWORD"]
    supervisor = int((arguments.directory / "supervisor.pid").read_text())
    db.connect(f"sqlite:///{arguments.directory}/portal/portico.db")
    portal = Portal(arguments.url, arguments.user, password)
    measured = idle.measure(supervisor, "before")
    with ground.prepared(portal):
        measured += guests.measure(portal, arguments.directory / "host")
        measured += config_disks.measure(portal, arguments.directory / "host")
        day.live(portal, arguments.user, password)
    day.end()
    measured += idle.measure(supervisor, "after a day of use")
    with tempfile.TemporaryDirectory() as directory:
        for part in (lists, accept, fleet):
            place = Path(directory, part.__name__)
            place.mkdir()
            measured += part.measure(place)
    print(figures.machine(), figures.table(measured), sep="\n\n")


if __name__ == "__main__":
    main()
