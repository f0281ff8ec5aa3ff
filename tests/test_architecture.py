"""The rules of the house, checked by a machine."""

import ast
import dataclasses
import string
import subprocess
import sys
from pathlib import Path

import pytest

from portal import words
from portal.changes import CHANGES
from portal.config import Settings
from workers.config import HostConfig
from workers.jobs import JOBS

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE, LONGEST_FUNCTION = 400, 60
EXEMPT = {"portal/migrations/versions"}  # a revision is a record, not a program

FORBIDDEN = {
    "workers": {"portal", "flask", "sqlalchemy"},  # a host knows no database
    "portal": {"libvirt", "pyroute2", "workers.drivers", "workers.jobs"},  # the portal no host
    "portal/changes": {"flask", "rq", "sqlalchemy", "portal.db", "portal.models"},  # pure
    "portal/models": {"flask", "rq", "portal.services", "portal.pages", "portal.api"},
    "portal/services": {"flask", "rq", "portal.pages", "portal.api", "portal.conductor"},
    "portal/conductor": {"flask", "portal.pages", "portal.api"},
    "portal/auth": {"rq", "portal.pages", "portal.api", "portal.conductor"},
    "portal/pages": {"rq", "portal.api", "portal.conductor"},
    "portal/api": {"rq", "portal.pages", "portal.conductor"},
}
SHARED = {  # what portal and workers both import
    "workers.specs",  # what crosses from one to the other
    "workers.wire",  # and the names of the ways that it takes
    "workers.foreign",  # what a file is that is no disk image
    "workers.qcow2",  # what a disk image must be, whichever side takes it in
}
SHELL = {"base.html", "_running.html", "errors/error.html"}  # templates that belong to no noun
MAKES_SENTENCES = {"portal/errors.py", "portal/sentences.py"}  # of what it is given
PARSE = string.Formatter().parse
BANNED_NAMES = {"utils", "helpers", "common", "manager", "misc"}


def sources(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not any(str(path.relative_to(ROOT)).startswith(each) for each in EXEMPT)
    ]


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it: `from a import b` counts as a and a.b."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_imports_go_in_one_direction(folder):
    wrong = [
        f"{name(path)} imports {module}"
        for path in sources(folder)
        for module in imports(path)
        for forbidden in FORBIDDEN[folder]
        if (module == forbidden or module.startswith(f"{forbidden}."))
    ]
    assert not wrong


def test_portal_and_workers_share_only_what_crosses_between_them():
    shared = {
        ".".join(module.split(".")[:2])
        for path in sources("portal")
        for module in imports(path)
        if module.split(".")[0] == "workers" and module != "workers"
    }
    assert shared <= SHARED


def test_only_one_file_of_the_portal_knows_rq():
    assert [name(path) for path in sources("portal") if "rq" in imports(path)] == [
        "portal/conductor/wire.py"
    ]


@pytest.mark.parametrize(
    ("module", "without"),
    [("portal.conductor.__main__", "flask"), ("workers.__main__", "sqlalchemy")],
)
def test_a_process_does_not_load_what_it_may_not_touch(module, without):
    program = f"import sys, {module}; sys.exit({without!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_what_is_shared_needs_nothing_but_the_standard_library():
    for module in SHARED:
        place = ROOT / module.replace(".", "/")
        files = list(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
        outside = {
            each
            for path in files
            for each in imports(path)
            if ".".join(each.split(".")[:2]) not in SHARED and each != "workers"
        }
        assert {each.split(".")[0] for each in outside} <= set(sys.stdlib_module_names), module
    assert not (ROOT / "workers/__init__.py").read_text()


def test_no_file_and_no_function_outgrows_its_reader():
    long = []
    for path in sources("portal", "workers", "tests"):
        lines = len(path.read_text().splitlines())
        if lines > LONGEST_FILE:
            long.append(f"{name(path)}: {lines} lines")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = node.end_lineno - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    long.append(f"{name(path)}: {node.name} has {length} lines")
    assert not long


def test_every_module_class_and_public_function_says_what_it_is():
    silent = []
    for path in sources("portal", "workers"):
        tree = ast.parse(path.read_text())
        if path.read_text() and not ast.get_docstring(tree):
            silent.append(name(path))
        if "pages" in path.parts:
            continue  # a view is said by its template
        silent += [
            f"{name(path)}: {node.name}"
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
            and node.name != "main"
            and not ast.get_docstring(node)
            and not any("routes." in ast.unparse(each) for each in node.decorator_list)  # a view
        ]
    assert not silent


def test_names_say_something():
    assert not [name(path) for path in sources("portal", "workers") if path.stem in BANNED_NAMES]


def test_every_setting_has_a_sentence():
    for kind in (Settings, HostConfig):
        for field in dataclasses.fields(kind):
            assert field.metadata["sentence"].endswith("."), field.name


def test_every_step_of_a_change_is_a_job():
    assert {step.job for change in CHANGES.values() for step in change.steps} <= JOBS.keys()


def test_every_template_is_rendered_or_included_somewhere():
    texts = [path.read_text() for path in sources("portal")]
    texts += [path.read_text() for path in (ROOT / "templates").rglob("*.html")]
    everything = "\n".join(texts)
    unused = [
        relative
        for path in sorted((ROOT / "templates").rglob("*.html"))
        if (relative := str(path.relative_to(ROOT / "templates"))) not in everything
    ]
    assert not unused


def test_every_view_renders_a_template_of_its_noun():
    wrong = []
    for path in sources("portal/pages"):
        folder = path.relative_to(ROOT / "portal/pages").with_suffix("")
        for node in ast.walk(ast.parse(path.read_text())):
            named = getattr(node, "value", None)
            if not isinstance(named, str) or not named.endswith(".html") or "\n" in named:
                continue
            there = (ROOT / "templates" / named).exists()
            if not there or (Path(named).parent != folder and named not in SHELL):
                wrong.append(f"{name(path)}: {named}")
    assert not wrong


def test_nothing_runs_through_a_shell():
    for path in sources("portal", "workers"):
        assert "shell=True" not in path.read_text(), name(path)


def test_no_xml_is_built_from_strings():
    for path in sources("portal", "workers"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                text = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
                assert "<domain" not in text, name(path)


def kinds_of_refusals(trees: dict[Path, ast.Module]) -> set[str]:
    """What makes a sentence that is worded later: a Sentence, and every subclass of Refused."""
    kinds, found = {"Sentence"}, {"Refused"}
    while found:
        kinds |= found
        found = {
            node.name
            for tree in trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            if kinds & {getattr(base, "id", "") or getattr(base, "attr", "") for base in node.bases}
        } - kinds
    return kinds


def partials(trees: dict[Path, ast.Module], kinds: set[str]) -> set[str]:
    """Names that stand for such a kind with its field: `wrong = functools.partial(Refused, …)`."""
    return {
        node.targets[0].id
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if ast.unparse(node.value.func) == "functools.partial"
        if getattr(node.value.args[0], "id", "") in kinds
    }


def templates_of(node: ast.expr) -> list[str]:
    """The sentences that stand here word for word, of which one is taken; [] for anything else."""
    if isinstance(node, ast.IfExp):
        each = templates_of(node.body), templates_of(node.orelse)
        return [*each[0], *each[1]] if all(each) else []
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def faults_of_sentence(call: ast.Call) -> str:
    """What is wrong with the sentence of a refusal; "" if it is whole and has what it names."""
    templates = templates_of(call.args[0]) if len(call.args) == 1 else []
    if not templates:
        return "the sentence stands here word for word, and its values are arguments"
    parsed = [(field, spec) for each in templates for _, field, spec, _ in PARSE(each)]
    named = {field for field, _ in parsed if field is not None}
    if unknown := {spec for field, spec in parsed if field} - words.SPECS.keys():
        return f"{unknown} is no way of wording a value"
    given = {each.arg for each in call.keywords} - {"field", "retry_after"}
    if not given:
        return f"{named} is not given" if any(map(str.isidentifier, named)) else ""
    if None in given:  # **more
        return "" if given - {None} <= named else f"{given - named} is not in the sentence"
    return "" if given == named else f"{given ^ named} is given or named, and not both"


def test_the_sentence_of_a_refusal_is_a_template_with_named_arguments():
    trees = {path: ast.parse(path.read_text()) for path in sources("portal")}
    kinds = kinds_of_refusals(trees)
    callable_as = kinds | partials(trees, kinds)
    calls = [
        (path, node)
        for path, tree in trees.items()
        if name(path) not in MAKES_SENTENCES
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        if (getattr(node.func, "id", "") or getattr(node.func, "attr", "")) in callable_as
        if f"werkzeug.exceptions.{getattr(node.func, 'id', '')}" not in imports(path)
        if node.args or node.keywords  # a kind with one sentence has it already
    ]
    assert len(calls) > 200
    wrong = [
        f"{name(path)}:{call.lineno}: {fault}"
        for path, call in calls
        if (fault := faults_of_sentence(call))
    ]
    assert not wrong


@pytest.mark.parametrize(
    "written",
    [
        'Refused(f"{name} is busy.")',
        'Refused("%s is busy." % name)',
        'Refused("{} is busy.".format(name))',
        'Refused(name + " is busy.")',
        "Refused(sentence)",
        'Refused("It is busy." if short else f"{name} is busy.")',
        'Refused("{name} is busy.")',
        'Refused("{name} is busy.", name=name, action=action)',
        'Refused("{size:megabytes} are too many.", size=size)',
    ],
)
def test_what_is_no_template_is_noticed(written):
    assert faults_of_sentence(ast.parse(written, mode="eval").body)


def test_no_user_text_is_marked_safe():
    for path in (ROOT / "templates").rglob("*.html"):
        assert "|safe" not in path.read_text().replace(" ", ""), name(path)
    for path in sources("portal"):
        assert "Markup(" not in path.read_text(), name(path)
