"""The ways between portal and host: every name in Redis, and every word on a console's stream.

Both sides import this, so it needs nothing but the standard library. What travels on these ways
is said by `workers.specs`.
"""

SHORT, LONG = "short", "long"  # queues: of jobs that take seconds, and of those that copy images

BELL = "portico:bell"  # the list that the conductor waits on
NEWS = "portico:news"  # the channel on which ids of projects of which there is news are said
TRIED = "portico:tried"  # what is written to see whether anything can be

# fields of a beat
BEAT_TIME = "time"  # of the host's clock: another than before says that the host is alive
BEAT_BOOT_ID = "boot_id"
BEAT_EVENTS = "events"  # another than before: something happened to a guest
BEAT_WORKERS = {SHORT: "short_workers", LONG: "long_workers"}  # how many serve a queue

WORKER, AGENT = "worker", "agent"  # the processes of a host

LINE_TEXT = "text"  # the field of a log's entry

# what an agent answers to a call for a screen, before the stream belongs to the screen
OK, REFUSED, NO_SCREEN = b"ok\n", b"refused\n", b"no screen\n"


def queue(host: str, length: str) -> str:
    """The RQ queue of a host; `length` is SHORT or LONG."""
    return f"host-{host}" if length == SHORT else f"host-{host}:{length}"


def worker(host: str, length: str, number: int, process: int) -> str:
    """The RQ worker of a host. Its name begins with the host's, for the sake of that host's Redis
    user."""
    return f"{host}-{length}-{number}-{process}"


def job(host: str, task: str, number: int) -> str:
    """The RQ job of the `number`th sending of a task. Its id begins with the host's name, for the
    sake of that host's Redis user."""
    return f"{host}-{task}-{number}"


def beat(host: str) -> str:
    """The hash in which a host says that it is alive."""
    return f"beat:{host}"


def trouble(host: str, process: str) -> str:
    """Where the worker or the agent of a host, which `process` names, says why it cannot work."""
    return f"trouble:{host}:{process}"


def log(host: str, task: str) -> str:
    """The stream of lines that a host says of a task."""
    return f"log:{host}-{task}"


def log_of_job(job_id: str) -> str:
    """The stream of lines about the task that this job is a sending of."""
    return f"log:{job_id.rpartition('-')[0]}"


def try_to_write(pipeline) -> None:
    """This pipeline of Redis fails if nothing can be written: Redis that is full, or that misses
    its replicas, goes on answering."""
    pipeline.set(TRIED, "1", ex=60)


def ring(pipeline) -> None:
    """The conductor wakes when this pipeline of Redis has been executed. A lost ring costs a few
    seconds."""
    pipeline.lpush(BELL, "1").ltrim(BELL, 0, 0)
