"""`python -m tests.chaos`: one chaos run, its table, and 0 if everything agreed at the end."""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.chaos import guests, lab
from tests.chaos.ledger import Ledger
from tests.chaos.story import Story
from tests.chaos.verdict import Finding, Verdict
from tests.stack import ROOT, Stack

DEFAULT_PORT = 8088
MOST_ALIVE_REAL, MOST_ALIVE_FAKE = 8, 20
AGAIN_SECONDS = 60  # beyond the last deadline, or beside it, that settling may take
LONGEST_SECONDS = 2400
UNSEEN = "SELECT name FROM hosts WHERE observed_at IS NULL OR observed_at <= ?"
LINES_SHOWN = 12  # of what breaks one rule


def main() -> int:
    arguments = parse()
    if arguments.inside is None:
        return outside(arguments)
    stack = Stack(
        directory=arguments.inside,
        port=arguments.port,
        fakes=arguments.fake,
        settings={"QUOTA_INSTANCES": str(MOST_ALIVE_FAKE if arguments.fake else MOST_ALIVE_REAL)},
    )
    stack.prepare()
    if stack.real:
        guests.add_images(stack)
    try:
        stack.start()
        ok = tell(stack, arguments)
    finally:
        if stack.supervisor:
            stack.stop()
    if ok and not arguments.keep:
        shutil.rmtree(stack.directory, ignore_errors=True)
    else:
        say(f"Its files are in {stack.directory}, logs in log/.")
    return 0 if ok else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="chaos",
        description="Use the whole product by its pages while its processes are killed at "
        "random, let everything settle, and compare what portal, database and hosts say. "
        "Ends with 1 if anything disagrees. A run on real guests needs root; it takes place in "
        "namespaces of its own and touches nothing else on the machine.",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the dice (1)")
    parser.add_argument("--operations", type=int, default=200, help="changes to ask for (200)")
    parser.add_argument(
        "--fake", type=int, default=0, metavar="HOSTS", help="so many fake hosts, no real guest"
    )
    parser.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help=f"of the portal on 127.0.0.1 ({DEFAULT_PORT})",
    )
    parser.add_argument(
        "--accidents", type=int, default=10, metavar="PERCENT", help="of operations (10)"
    )
    parser.add_argument("--keep", action="store_true", help="keep database and logs in any case")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def outside(arguments: argparse.Namespace) -> int:
    """The run goes on as a new process: with real guests, on a private machine."""
    if not arguments.fake and os.geteuid():
        print("chaos: run it as root: it makes networks and guests (or use --fake)")
        return 1
    directory = Path(tempfile.mkdtemp(prefix="portico-chaos-"))
    directory.chmod(0o711)  # QEMU's own user passes through it
    command = [sys.executable, "-m", "tests.chaos", *sys.argv[1:], "--inside", str(directory)]
    os.chdir(ROOT)
    if not arguments.fake:
        lab.enter(directory, command)
    os.execv(sys.executable, command)


def tell(stack: Stack, arguments: argparse.Namespace) -> bool:
    """The whole story: clicks and accidents, a verdict, the end of everything, a verdict."""
    began = time.monotonic()
    most_alive = MOST_ALIVE_REAL if stack.real else MOST_ALIVE_FAKE
    dice = random.Random(arguments.seed)
    story = Story(stack, dice, most_alive=most_alive, accidents=arguments.accidents / 100)
    story.begin()
    story.run(arguments.operations, say)
    clicked = time.monotonic() - began
    say("Letting everything settle")
    settled = settle(stack, story.ledger)
    findings = Verdict(stack, story).findings()
    say("Deleting everything")
    story.delete_instances()
    settled += settle(stack, story.ledger, looks=0)
    story.delete_networks()
    settled += settle(stack, story.ledger, looks=2)  # the first may have begun before the end
    emptied = Verdict(stack, story)
    findings += [
        Finding(f"afterwards: {each.rule}", each.looked_at, each.wrong)
        for each in emptied.findings()
        if each.wrong
    ]
    findings.append(nothing_left(emptied))
    findings.append(Finding("everything came to rest", 3, settled))
    took = time.monotonic() - began
    say(f"Clicks took {clicked:.0f} s, all of it {took:.0f} s, seed {arguments.seed}")
    report(story, findings)
    return not any(each.wrong for each in findings)


def settle(stack: Stack, ledger: Ledger, *, looks: int = 1) -> list[str]:
    """The cloud is at rest, and each host, asked so often, has said since what it holds; or: what
    is still going on a minute after the last deadline."""
    limit = time.monotonic() + LONGEST_SECONDS
    last = datetime.now(UTC)
    rest_since, looked, asked = datetime.now(UTC), 0, False
    while time.monotonic() < limit:
        if unfinished := ledger.unfinished():
            rest_since, looked, asked = datetime.now(UTC), 0, False
        elif looked == looks:
            return []
        elif not asked:
            stack.ask_hosts()
            asked = True
        elif not ledger.rows(UNSEEN, rest_since.strftime("%Y-%m-%d %H:%M:%S.%f")):
            rest_since, looked, asked = datetime.now(UTC), looked + 1, False
        last = max(last, ledger.latest_deadline() or last)
        if unfinished and datetime.now(UTC) > last + timedelta(seconds=AGAIN_SECONDS):
            break
        time.sleep(0.2)
    return unfinished or ["a host has not said what it holds"]


def nothing_left(verdict: Verdict) -> Finding:
    wrong = [f"{name} is still there" for name in verdict.shown]
    for host, held in verdict.held.items():
        for what in ("guests", "disks", "networks", "leases", "filtered"):
            if found := getattr(held, what):
                wrong.append(f"{host} still has {what}: {sorted(found)}")
    return Finding("what was deleted is gone", len(verdict.instances), wrong)


def report(story: Story, findings: list[Finding]) -> None:
    """The table, and under it what befell whom."""
    ledger = story.ledger
    ended = Counter(
        (row["action"], row["outcome"]) for row in ledger.rows("SELECT * FROM operations")
    )
    print("\nAsked for: " + _counts(story.asked) + "; refused: " + (_counts(story.refused) or "0"))
    print(f"Answers: {_counts(story.person.answers)}; sent again: {story.person.tries}")
    print("Accidents: " + (_counts(story.accidents.happened) or "none"))
    print("Ended: " + _counts(Counter({f"{a} {o}": n for (a, o), n in ended.items()})))
    reasons = "SELECT action, target_name, reason FROM operations WHERE outcome = 'failed'"
    for row in ledger.rows(reasons):
        print(f"  failed: {row['action']} of {row['target_name']}: {row['reason']}")
    print()
    for each in findings:
        print(f"{'FAIL' if each.wrong else 'ok  '} {each.looked_at:5d}  {each.rule}")
        for line in each.wrong[:LINES_SHOWN]:
            print(f"             {line}")
        if more := len(each.wrong) - LINES_SHOWN:
            print(f"             and {more} more") if more > 0 else None
    sys.stdout.flush()


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def _counts(counted: dict) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counted.items(), key=str))


if __name__ == "__main__":
    sys.exit(main())
