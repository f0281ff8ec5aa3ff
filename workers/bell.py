"""The conductor's doorbell, as a host rings it."""

import redis

KEY = "portico:bell"


def ring(pipeline: redis.client.Pipeline) -> None:
    """The conductor wakes when `pipeline` has been executed. A lost ring costs a few seconds."""
    pipeline.lpush(KEY, "1").ltrim(KEY, 0, 0)
