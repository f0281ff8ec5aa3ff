"""Many people at once: processes that fork from the test and act at the same moment."""

import multiprocessing
from collections import Counter
from collections.abc import Callable

from portal import bell
from portal.db import session
from portal.errors import Refused

PATIENCE_SECONDS = 60


def at_once(count: int, act: Callable[[int], object]) -> Counter:
    """`count` processes, each with connections of its own, have called `act` with its number.
    How often each thing came of it: "done", or the name of what a service answered instead."""
    session.remove()
    session.get_bind().dispose()  # no connection survives a fork
    bell.connection.cache_clear()
    context = multiprocessing.get_context("fork")
    gate, answers = context.Barrier(count), context.SimpleQueue()

    def person(number: int) -> None:
        answer = "broke"
        try:
            gate.wait(PATIENCE_SECONDS)
            act(number)
            answer = "done"
        except Refused as refused:
            answer = type(refused).__name__
        finally:
            answers.put(answer)

    people = [context.Process(target=person, args=(number,)) for number in range(count)]
    for each in people:
        each.start()
    said = Counter(answers.get() for _ in people)
    for each in people:
        each.join(PATIENCE_SECONDS)
    return said
