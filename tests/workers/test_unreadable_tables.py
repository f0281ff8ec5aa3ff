"""A table that only a newer nft can read: it is named, instead of ending whoever looks."""

import os
import subprocess
from pathlib import Path

import pytest

from workers.drivers import nft

ROOT = Path(__file__).resolve().parents[2]
CRASHES = """#!/bin/sh
case "$*" in
    "list tables") echo "table inet portico"; echo "table ip docker new" ;;
    "list table inet portico") echo "table inet portico {}" ;;
    *) kill -SEGV $$ ;;
esac
"""


@pytest.fixture
def nft_of_an_older_release(tmp_path, monkeypatch):
    (tmp_path / "nft").write_text(CRASHES)
    (tmp_path / "nft").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)


def test_a_worker_names_the_table_and_lives(nft_of_an_older_release):
    """Seen: worker and agent died each second, and the host was "never heard from"."""
    assert nft.unreadable() == ("ip docker new",)


def test_up_names_it_too(nft_of_an_older_release):
    script = f"source {ROOT}/scripts/install.bash; unreadable_tables"
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout == "ip docker new\n"


def test_a_worker_says_so_when_not_even_the_names_can_be_listed(tmp_path, monkeypatch):
    (tmp_path / "nft").write_text("#!/bin/sh\necho 'Operation not permitted' >&2\nexit 1\n")
    (tmp_path / "nft").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(RuntimeError, match=r"cannot list the tables.*Operation not permitted"):
        nft.unreadable()
