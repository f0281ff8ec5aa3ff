"""`python -m tests.interop`: one run of Tempest, its table, and 0 if everything passed."""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.interop import results, suite
from tests.interop.ground import Ground
from tests.stack import PASSWORD, Stack

HOSTS = 2
SETTINGS = {  # so that nobody is told to come back in a minute
    "QUOTA_INSTANCES": "100",
    "QUOTA_VCPUS": "200",
    "QUOTA_IMAGES": "100",
    "LOGIN_ATTEMPTS_PER_ADDRESS": "1000000",
}


def main() -> int:
    arguments = parse()
    directory = Path(tempfile.mkdtemp(prefix="portico-tempest-"))
    with cloud(directory, arguments) as (url, password):
        Ground(url, password).describe(directory, given=arguments.given)
        regexes = arguments.regex or suite.required(now=not arguments.all)
        ran = suite.run(directory, regexes, workers=arguments.workers)
    ok = results.report(results.read(ran))
    if ok and not arguments.keep:
        shutil.rmtree(directory, ignore_errors=True)
    else:
        print(f"Its files are in {directory}.")
    return 0 if ok else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tempest")
    parser.add_argument("--given", action="store_true")
    parser.add_argument("--at", metavar="URL")
    parser.add_argument("--port", type=int, default=8089)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("regex", nargs="*")
    return parser.parse_args()


@contextlib.contextmanager
def cloud(directory: Path, arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """The address of a cloud that runs meanwhile, and its administrator's password."""
    if arguments.at:
        yield arguments.at.rstrip("/"), os.environ["PORTICO_ADMIN_PASSWORD"]
        return
    stack = Stack(directory, arguments.port, HOSTS, SETTINGS)
    stack.prepare()
    try:
        stack.start()
        yield stack.url, PASSWORD
    finally:
        if stack.supervisor:
            stack.stop()


if __name__ == "__main__":
    sys.exit(main())
