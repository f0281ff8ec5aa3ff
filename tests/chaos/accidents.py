"""What befalls a run: processes are killed with SIGKILL, or stopped for a while."""

import contextlib
import os
import random
import signal
import sqlite3
import time
from collections import Counter

from tests.chaos import processes
from tests.chaos.processes import Process
from tests.stack import Stack
from workers.drivers.fake import FakeHost

FROZEN_SECONDS = 20
JOB_SECONDS = 1.0  # how long to lie in wait for a worker that has a job in hand
TRIES = 3  # for an accident that finds somebody to befall
POWER_SECONDS = 0.2  # that a machine without power does nothing


class Accidents:
    """Each strikes something that is there at the moment; `happened` counts them by name."""

    def __init__(self, stack: Stack, dice: random.Random):
        self._stack, self._dice = stack, dice
        self._deck: list[str] = []
        self._frozen: list[tuple[float, list[int]]] = []
        self.happened: Counter[str] = Counter()
        self.guests_killed: Counter[str] = Counter()  # by the instance's id
        self._kinds = {
            "worker parent": lambda: self._kill(self._parents()),
            "worker child": lambda: self._kill(self._workers()),
            "worker with its job": self._kill_job,
            "worker stopped for 20 s": self._freeze,
            "agent": lambda: self._kill(self._programs("workers.agent")),
            "conductor": lambda: self._kill(self._programs("portal.conductor")),
            "web": lambda: self._kill(self._programs("gunicorn")),
            "web's worker": lambda: self._kill(self._web_workers()),
            "Redis with its data": lambda: self._kill(self._programs("redis-server")),
        }
        if stack.real:
            self._kinds |= {
                "libvirtd": lambda: self._kill(_named("libvirtd")),
                "libvirtd and virtlogd": self._kill_libvirt,
                "virtlogd": lambda: self._kill(_named("virtlogd")),
                "QEMU": self._kill_guest,
                "dnsmasq": lambda: self._kill(_named("dnsmasq")),
            }
        else:
            self._kinds |= {"guest": self._crash_fake_guest, "power of a host": self._cut_power}

    @property
    def frozen(self) -> bool:
        """Whether somebody is stopped at the moment."""
        return bool(self._frozen)

    @property
    def libvirt_killed(self) -> int:
        """How often libvirtd was: a guest that it was starting is then started once more."""
        return self.happened["libvirtd"] + self.happened["libvirtd and virtlogd"]

    def strike(self) -> str:
        """One accident has happened; its name, or "" when there was nothing to befall. Each
        kind has its turn before any comes again."""
        for _ in range(TRIES):
            if not self._deck:
                self._deck = self._dice.sample(list(self._kinds), len(self._kinds))
            name = self._deck.pop()
            if self._kinds[name]():
                self.happened[name] += 1
                return name
        return ""

    def thaw(self) -> None:
        """Who was stopped long enough goes on."""
        now = time.monotonic()
        due = [pids for until, pids in self._frozen if until <= now]
        self._frozen = [each for each in self._frozen if each[0] > now]
        for pid in (pid for pids in due for pid in pids):
            _send(pid, signal.SIGCONT)

    def _kill(self, candidates: list[Process]) -> bool:
        if not candidates:
            return False
        return _send(self._dice.choice(candidates).pid, signal.SIGKILL)

    def _kill_job(self) -> bool:
        """A worker's forked job dies, and half of the time nobody but it."""
        deadline = time.monotonic() + JOB_SECONDS
        while not (jobs := self._jobs()):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        job = self._dice.choice(jobs)
        if self._dice.random() < 0.5:
            _send(job.parent, signal.SIGKILL)
        return _send(job.pid, signal.SIGKILL)

    def _freeze(self) -> bool:
        workers = self._workers()
        if not workers or self._frozen:
            return False
        worker = self._dice.choice(workers)
        pids = [worker.pid, *(job.pid for job in self._jobs() if job.parent == worker.pid)]
        for pid in pids:
            _send(pid, signal.SIGSTOP)
        self._frozen.append((time.monotonic() + FROZEN_SECONDS, pids))
        return True

    def _kill_libvirt(self) -> bool:
        helpers = [_send(each.pid, signal.SIGKILL) for each in _named("virtlogd")]
        return self._kill(_named("libvirtd")) and any(helpers)

    def _kill_guest(self) -> bool:
        found = [each for each in _named("qemu-system-x86_64") if "guest=instance-" in each.line]
        if not found:
            return False
        guest = self._dice.choice(found)
        instance_id = guest.line.partition("guest=instance-")[2].partition(",")[0]
        self.guests_killed[instance_id] += 1
        return _send(guest.pid, signal.SIGKILL)

    def _crash_fake_guest(self) -> bool:
        host = self._dice.choice(self._stack.hosts)
        with contextlib.closing(_fake_database(self._stack, host)) as database, database:
            rows = database.execute("SELECT id FROM things WHERE kind = 'guest' ORDER BY id")
            ids = [row[0] for row in rows]
            if not ids:
                return False
            database.execute(
                "UPDATE things SET value = json_set(value, '$.power', 'stopped', '$.reason', "
                "'crashed') WHERE kind = 'guest' AND id = ?",
                (self._dice.choice(ids),),
            )
        return True

    def _cut_power(self) -> bool:
        """All that runs on a fake host ends; its guests are off when it is back."""
        host = self._dice.choice(self._stack.hosts)
        settings = str(self._stack.directory / f"{host}.ini")
        for each in self._family():
            if settings in each.words:
                _send(each.pid, signal.SIGKILL)
        time.sleep(POWER_SECONDS)
        FakeHost(self._stack.state(host)).reboot()
        return True

    def _family(self) -> list[Process]:
        return processes.below(self._stack.supervisor.pid, processes.everything())

    def _programs(self, word: str) -> list[Process]:
        """What the process manager itself started of this name."""
        top = self._stack.supervisor.pid
        return [each for each in self._family() if each.parent == top and word in each.line]

    def _parents(self) -> list[Process]:
        return self._programs("-m workers ")

    def _workers(self) -> list[Process]:
        parents = {each.pid for each in self._parents()}
        return [each for each in self._family() if each.parent in parents]

    def _jobs(self) -> list[Process]:
        workers = {each.pid for each in self._workers()}
        return [each for each in self._family() if each.parent in workers]

    def _web_workers(self) -> list[Process]:
        masters = {each.pid for each in self._programs("gunicorn")}
        return [each for each in self._family() if each.parent in masters]


def _named(name: str) -> list[Process]:
    return [each for each in processes.everything() if each.words[0].rpartition("/")[2] == name]


def _send(pid: int, number: int) -> bool:
    """Whether there was such a process."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _fake_database(stack: Stack, host: str) -> sqlite3.Connection:
    return sqlite3.connect(stack.state(host) / "host.db", timeout=10)
