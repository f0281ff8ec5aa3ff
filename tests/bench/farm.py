"""`python -m tests.bench.farm FILE...`: several fake hosts in one process, one INI file each.

Fifty hosts of the usual kind would be two hundred processes. Here one worker serves the queues of
all of them, and does a job in its own process: what is measured is the portal, not fork(2).
"""

import argparse
import contextlib
import threading
import time
from pathlib import Path

import redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from workers import config as host_config
from workers import wire
from workers.__main__ import Rings
from workers.agent import BEAT_SECONDS, Agent
from workers.boundary import HostJob, TakesNoCommands
from workers.host import open_host


class FarmWorker(Rings, TakesNoCommands, SimpleWorker):
    """Does its jobs in this process."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.farm")
    parser.add_argument("files", type=Path, nargs="+", help="INI files of fake hosts")
    configs = [host_config.read(file) for file in parser.parse_args().files]
    connection = redis.Redis.from_url(configs[0].redis_url)
    hosts = {each.name: (each, open_host(each)) for each in configs}
    lengths = wire.SHORT, wire.LONG
    served = {wire.queue(host, length): host for host in hosts for length in lengths}

    class FarmJob(HostJob):
        """Done by the host whose queue it lay in."""

        @property
        def config(self):
            return hosts[served[self.origin]][0]

        @property
        def host(self):
            return hosts[served[self.origin]][1]

    agents = [Agent(each) for each in configs]
    threading.Thread(target=_beat, args=(agents,), daemon=True).start()
    queues = [
        Queue(name, connection=connection, serializer=JSONSerializer, job_class=FarmJob)
        for name in served
    ]
    FarmWorker(queues, connection=connection, serializer=JSONSerializer, job_class=FarmJob).work(
        logging_level="WARNING"
    )


def _beat(agents: list[Agent]) -> None:
    while True:
        for agent in agents:
            with contextlib.suppress(redis.RedisError):
                agent.beat()
        time.sleep(BEAT_SECONDS)


if __name__ == "__main__":
    main()
