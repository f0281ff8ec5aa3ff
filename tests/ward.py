"""A whole installation that is well, in which faults are planted and mended by what is typed."""

import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

from alembic import command
from sqlalchemy import select

from portal import config, doctor, keys, migrations
from portal.conductor.lead import Leader
from portal.db import session, transaction
from portal.models import Image
from portal.services import seals
from tests.cloud import Cloud
from tests.services.image_files import qcow2
from tests.test_architecture import ROOT
from workers import consoles


class Ward:
    """An installation, and what an operator does to it."""

    def __init__(self, cloud: Cloud, redis_server):
        self.cloud, self.redis_server = cloud, redis_server
        self.directory = config.current().data_directory
        self.directory.chmod(0o750)
        self.database = Path(config.current().database.removeprefix("sqlite:///"))
        self.backup = self.directory.parent / "backup"
        self.leader = Leader("first")
        command.stamp(migrations.settings(config.current().database), "head")
        self._bring_an_image()
        cloud.add_host("kvm-1")
        self.screens = consoles.serve(cloud.host_config("kvm-1"))
        self.be_there()

    def be_there(self) -> None:
        """Conductor, agent and worker run, and nothing is left to do."""
        self.leader.leads()
        self.cloud.look()
        while seals.seal(everything=True):
            continue

    def wrong(self) -> dict[str, str]:
        """What the doctor finds, with what mends each. It is a process of its own, which has
        read no secret before."""
        for read in (keys._secrets, keys._host_cipher):
            read.cache_clear()
        session.remove()
        found = doctor.examine(config.current())
        session.remove()
        return {each.what: each.mend for each in found if not each.ok}

    def type(self, mend: str) -> str:
        """What is printed for the command that a mend consists of, or begins with."""
        words = shlex.split(mend.partition(" (and")[0])
        if words[0] == "redis-cli":
            words[1:1] = ["-s", config.current().redis.removeprefix("unix://")]
        if words[0] == "flask":
            words[:1] = [sys.executable, "-m", "flask", "--app", "portal.wsgi"]
        session.remove()
        return self.run(*words)

    def run(self, *words: str, **environment: str) -> str:
        given = config.current()
        environment = {
            "PORTICO_DATA_DIRECTORY": str(given.data_directory),
            "PORTICO_REDIS_URL": given.redis_url,
            "PORTICO_LEAST_FREE_GIB": str(given.least_free_gib),
            **environment,
        }
        ended = subprocess.run(
            words, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True
        )
        return ended.stdout + ended.stderr

    @property
    def image(self) -> Path:
        """The file of the one image."""
        return config.current().image_store / session.scalar(select(Image.sha256))

    def back_up(self) -> None:
        """All that is in the data directory, somewhere else."""
        self.rest()
        shutil.rmtree(self.backup, ignore_errors=True)
        shutil.copytree(
            self.directory, self.backup, ignore=shutil.ignore_patterns("*.sock", "kvm-*")
        )

    def put_back(self, path: Path) -> None:
        """This file from the backup."""
        session.remove()
        session.get_bind().dispose()
        for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            each.unlink(missing_ok=True)
        shutil.copy2(self.backup / path.relative_to(self.directory), path)

    def rest(self) -> None:
        """Nobody has the database open, and all of it is in one file."""
        session.remove()
        session.get_bind().dispose()
        session.remove()
        with sqlite3.connect(self.database) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()

    def _bring_an_image(self) -> None:
        content = self.directory / "demo.qcow2"
        content.write_bytes(qcow2())
        with transaction():
            for each in session.scalars(select(Image)):
                session.delete(each)
        self.type(f"flask add-image {content} --name 'Demo Linux'")
        assert self.image.exists()
