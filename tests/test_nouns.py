"""One noun, one room on each side: the engine knows none, and every noun is whole."""

import ast
import importlib
import inspect
import re
import uuid

import pytest

from portal import config, create_app
from portal.changes import CHANGES
from portal.conductor.nouns import NOUNS
from portal.policies import PROJECT, SYSTEM
from portal.services import scopes
from tests import golden
from tests.test_architecture import ROOT, imports, name, sources
from workers import drivers
from workers.jobs import JOBS

ENGINE = [  # the loops, which carry any noun
    *("tick", "moves", "decide", "outbox", "wire", "questions", "outcomes", "drift", "tables"),
    *("ear", "lead", "locks", "repairs", "noun", "housekeeping", "clock_set", "moments", "faults"),
    *("news", "__main__"),
]
ITS_MODELS = {"Host", "Operation", "Task", "TaskLine", "Scope", "Lease", "Outcome"}
ITS_SERVICES = {
    *("operations", "scopes", "idempotency", "sessions", "seals", "tokens"),
    "events",
}
ITS_SPECS = {"Held", "Observation", "Spec", "VERSION", "dump", "load", "pack", "unpack"}
ITS_NOUNS = {"NOUNS", "noun_of"}
ITS_WORDS = {"host"}  # every task has one
PARTS_OF_NOUNS = {"guest", "disk", "port", "subnet", "flavor", "claim", "volume"}

PURE = {"dataclasses", "datetime", "portal.changes"}  # what a description of changes may import

BLANK = {  # what a noun rightly has none of
    "boot_logs": {"change", "policy"},  # a question: read by whoever reads the instance
    "firewall": {"change", "page", "policy"},  # a table: changed by what changes instances
    "projects": {"spec", "job", "driver"},  # hosts know what it has, and not whose it is
}


def engine():
    return [ROOT / "portal/conductor" / f"{each}.py" for each in ENGINE]


def words_of(text: str) -> set[str]:
    """The words of an identifier or a sentence, in lower case and the singular."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return {
        word.lower().removesuffix("s").removesuffix("e") for word in re.findall("[A-Za-z]+", apart)
    }


def said(tree: ast.AST) -> set[str]:
    """Every name, attribute, argument, string and import in a file."""
    found = set()
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name", "module", "value"):
            if isinstance(text := getattr(node, field, None), str):
                found.add(text)
    return found


def names_of_nouns() -> set[str]:
    """What nouns are called, from the table, the specs and the changes; their parts beside it."""
    rooms = [path.stem for path in (ROOT / "workers/specs").glob("*.py")]
    rooms += [*NOUNS, *(noun for noun, _ in CHANGES), *PARTS_OF_NOUNS]
    engine_s = {"__init__", "spec", "letters", "hosts"}
    return {each for room in rooms if room not in engine_s for each in _singular(room)}


def _singular(room: str) -> set[str]:
    """A noun of two words is known by both together (a log, say, is anybody's)."""
    words = room.split("_")
    return words_of(room) if len(words) == 1 else {room.removesuffix("s")}


@pytest.mark.parametrize("path", engine(), ids=name)
def test_the_engine_knows_no_noun(path):
    nouns = names_of_nouns()
    assert {"instanc", "imag", "network", "firewall", "fetch", "stranger", "boot_log"} <= nouns
    texts = said(ast.parse(path.read_text()))
    found = {
        f"{noun} in {text[:60]!r}"
        for text in texts
        for noun in nouns
        if noun in words_of(text) or ("_" in noun and noun in text.lower())
    }
    assert not found


@pytest.mark.parametrize("path", engine(), ids=name)
def test_the_engine_imports_no_noun(path):
    allowed = {
        "portal.models": ITS_MODELS,
        "portal.services": ITS_SERVICES,
        "portal.conductor.nouns": ITS_NOUNS,
        "workers.specs": ITS_SPECS,
    }
    foreign = {
        module
        for module in imports(path)
        for package, own in allowed.items()
        if module.startswith(f"{package}.") and not _own(module.removeprefix(f"{package}."), own)
    }
    assert not foreign


def _own(rest: str, own: set[str]) -> bool:
    """`Host` and what stands in its file (`host.PLACED_UNTIL`) alike."""
    return rest.split(".")[0].lower() in {each.lower() for each in own}


def test_every_loop_of_the_engine_is_judged():
    there = {path.stem for path in (ROOT / "portal/conductor").glob("*.py")}
    assert there == {*ENGINE, "__init__"}


def test_what_describes_changes_is_pure():
    for path in sources("portal/changes"):
        outside = {
            each
            for each in imports(path)
            if not any(each == pure or each.startswith(f"{pure}.") for pure in PURE)
        }
        assert outside <= {"portal"}, name(path)  # of `from portal.changes import …`


def kinds_of_tables() -> set[str]:
    """What descriptions of changes call a kind of table."""
    return {
        text
        for path in sources("portal/changes")
        for word, text in vars(importlib.import_module(f"portal.changes.{path.stem}")).items()
        if re.fullmatch(r"[A-Z]+_TABLE", word)
    }


@pytest.mark.parametrize("kind", sorted(kinds_of_tables()))
def test_a_table_is_sent_by_a_job_of_its_kind(kind):
    assert scopes.job_of(kind, needed=True) in NOUNS[kind].specs.keys() & JOBS.keys()


def test_every_kind_of_table_is_found():
    assert {"networks", "firewall"} <= kinds_of_tables()


@pytest.mark.parametrize("noun", NOUNS.values(), ids=lambda noun: noun.name)
def test_whoever_mends_says_whether_a_change_was_opened(noun, cloud):
    assert noun.mend(uuid.uuid4()) is False


def driver_methods(job: str) -> set[str]:
    """What a job has its host's drivers do, each a promise of a protocol."""
    text = inspect.getsource(JOBS[job][0])
    called = set(re.findall(r"host\.\w+\.((?:ensure|remove|observe)_\w+)", text))
    promised = inspect.getsource(drivers)
    assert all(f"def {each}(" in promised for each in called)
    return called


def jobs_of(noun: str) -> set[str]:
    """The jobs whose specs the noun builds, and those of its questions."""
    text = (ROOT / f"portal/conductor/nouns/{noun}.py").read_text()
    return {*NOUNS[noun].specs, *(job for job in JOBS if f'"{job}"' in text)}


def rooms(noun: str, endpoints: set[str]) -> dict[str, list[str]]:
    """What there is of a noun, by where it stands."""
    jobs = jobs_of(noun)
    tests = (path for path in sources("tests") if path.stem.startswith(f"test_{noun}"))
    return {
        "change": sorted(action for of, action in CHANGES if of == noun),
        "spec": sorted({JOBS[job][1].__name__ for job in jobs}),
        "job": sorted(jobs),
        "driver": sorted(set().union(*map(driver_methods, jobs))),
        "page": sorted(
            each
            for each in endpoints
            for path in (noun, f"admin.{noun}")
            if each in (f"{path}.index", f"{path}.show")
        ),
        "policy": sorted(each for each in [*PROJECT, *SYSTEM] if each.partition(":")[0] == noun),
        "tests": sorted(map(name, tests)),
    }


def test_every_noun_is_whole(cloud):
    app = create_app(config.current())
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    printed, empty = [], {}
    for noun in NOUNS:
        held = rooms(noun, endpoints)
        empty[noun] = {room for room, things in held.items() if not things}
        printed.append(f"{noun}\n")
        for room, things in held.items():
            first, *others = things or ["-"]
            printed += [f"  {room:8}{first}\n", *(f"{'':10}{each}\n" for each in others)]
    golden.assert_same("nouns.txt", "".join(printed))
    assert {noun: heads for noun, heads in empty.items() if heads} == BLANK
