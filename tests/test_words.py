"""One word for one thing, and docstrings that stand by themselves."""

import ast
import re

from tests.test_architecture import ROOT, name, sources

BANNED = {  # and the word that stands for it
    r"orphan": "stranger",
    r"leftover": "stranger",
    r"\bstray": "stranger",
    r"unwanted": "stranger",
    r"download": "fetch",
}
BANNED_NAMES = {"Sends", "Sent"}  # a Message goes on the wire, a Receipt is kept of it
ALLOWED = {
    "portal/models/identity.py": "delete-orphan",  # SQLAlchemy's word
    "portal/cli.py": '"orphans"',  # as `flask strangers` was called first
    "workers/foreign.py": "The download",  # a person's own, by their browser
    "templates/images/_published.html": 'icon("download")',  # an arrow
    "workers/drivers/disks/seed.py": "docs.openstack.org/nova/latest/_downloads",  # an address
}
LEANS = re.compile(r"(The same|Those|One of them|Likewise)\b")


def texts():
    """Every file of the product that is read by a person, and its name."""
    for path in [*sources("portal", "workers"), *sorted((ROOT / "templates").rglob("*.html"))]:
        yield name(path), path.read_text()


def test_a_thing_has_one_word():
    wrong = [
        f"{where}: {line.strip()} (say {instead})"
        for where, text in texts()
        for line in text.replace(ALLOWED.get(where, "\0"), "").splitlines()
        for word, instead in BANNED.items()
        if re.search(word, line, re.IGNORECASE)
    ]
    assert not wrong


def test_what_goes_on_the_wire_has_one_name():
    for path in sources("portal", "workers"):
        for node in ast.walk(ast.parse(path.read_text())):
            assert getattr(node, "name", "") not in BANNED_NAMES, name(path)


def test_a_docstring_does_not_lean_on_its_neighbour():
    leaning = []
    for path in sources("portal", "workers"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                if LEANS.match(text):
                    leaning.append(f"{name(path)}: {text.splitlines()[0]}")
    assert not leaning
