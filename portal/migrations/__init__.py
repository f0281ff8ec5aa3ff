"""How the tables came to be: Alembic revisions, one change each, named by time and purpose.

Alembic is imported where it is used: 10 MiB, which a process that serves pages never needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Engine

NAMES = "%%(year)d%%(month).2d%%(day).2d_%%(hour).2d%%(minute).2d_%%(slug)s"


def settings(url: str) -> Config:
    """What Alembic needs to know. Revisions run in the database at `url`."""
    from alembic.config import Config

    alembic = Config()
    alembic.set_main_option("script_location", str(Path(__file__).parent))
    alembic.set_main_option("path_separator", "os")
    alembic.set_main_option("file_template", NAMES)
    alembic.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return alembic


def upgrade(url: str) -> None:
    """The database at `url` has the newest shape."""
    from alembic import command

    command.upgrade(settings(url), "head")


def newest(url: str) -> str:
    """The revision that this version of Portico wants."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(settings(url)).get_current_head()


def known(url: str, revision: str) -> bool:
    """Whether this version of Portico knows the revision."""
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    try:
        return bool(ScriptDirectory.from_config(settings(url)).get_revision(revision))
    except CommandError:
        return False


def present(engine: Engine) -> str | None:
    """The revision that the database has; None when it has no tables of ours."""
    from alembic.runtime.migration import MigrationContext

    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
