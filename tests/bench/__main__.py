"""`python -m tests.bench`: what `scripts/bench` runs."""

import argparse
import contextlib
import os
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench import figures, guests, idle, lists
from tests.bench.portal import Portal


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--directory", type=Path, default=Path("/var/lib/portico"))
    arguments = parser.parse_args()
    password = os.environ["PORTICO_ADMIN_PASSWORD"]
    measured = idle.measure(int((arguments.directory / "supervisor.pid").read_text()))
    with tempfile.TemporaryDirectory() as directory, _redis(Path(directory)) as url:
        measured += lists.measure(Path(directory), url)
    portal = Portal(arguments.url, arguments.user, password)
    measured += guests.measure(portal, arguments.directory / "host")
    print(figures.machine(), figures.table(measured), sep="\n\n")


@contextlib.contextmanager
def _redis(directory: Path):
    socket = directory / "redis.sock"
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    while not socket.exists():
        time.sleep(0.01)
    try:
        yield f"unix://{socket}"
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
