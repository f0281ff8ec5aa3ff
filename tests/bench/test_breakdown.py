"""The breakdown of a create."""

import time

import pytest

from tests.bench import breakdown
from tests.bench.breakdown import Watch


def test_the_steps_of_a_create_are_as_long_as_the_whole(cloud):
    watch = Watch()
    instance = cloud.create()
    watch.note(breakdown.ACCEPT)
    cloud.settle()
    cloud.observe()
    steps = breakdown.of_create(watch, instance.id, seen=time.time())
    assert list(steps) == [
        breakdown.ACCEPT,
        breakdown.SEND,
        breakdown.TABLES,
        breakdown.SEND_AGAIN,
        *breakdown.LINES.values(),
        breakdown.OBSERVE,
        breakdown.COMMIT,
        breakdown.SEE,
    ]
    assert breakdown.total(steps) == pytest.approx(sum(steps.values()) - steps[breakdown.SEE])
    assert min(steps.values()) >= 0
    assert steps[breakdown.ACCEPT] > 0
    assert steps[breakdown.TABLES] > 0


def test_what_ended_before_the_step_before_it_took_nothing():
    watch = Watch()
    begin = watch.of_counter(watch._began[1])
    for step, after in (("accept", 0.3), ("send", 0.2), ("start", 0.7)):
        watch.note(step, begin + after)
    assert watch.steps == {
        "accept": pytest.approx(0.3),
        "send": 0,
        "start": pytest.approx(0.4),
    }
