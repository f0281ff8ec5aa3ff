"""No history keeps an operation open: every one is walked."""

import itertools
from datetime import UTC, datetime, timedelta

from portal.conductor.decide import ATTEMPTS, Attempt, Move, Standing, decide, pause

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
DEADLINE = BEGAN + timedelta(minutes=5)
TIMEOUT = timedelta(seconds=40)
STEP = timedelta(seconds=5)  # between two looks
ENDS = {Move.SUCCEED, Move.FAIL}


def walk(fates, *, window_full: int = 0):
    """Live through a history: `fates` are what becomes of one sending after the other, the last
    one for ever; the first `window_full` sends find no room. Returns how it ended and when."""
    task, now, coming = Standing(0, BEGAN), BEGAN, list(fates)
    fate, sends = Attempt.MISSING, 0
    while now <= DEADLINE + timedelta(minutes=1):
        move = decide(task, fate, now, deadline=DEADLINE)
        match move:
            case Move.SUCCEED | Move.FAIL:
                return move, now, sends
            case Move.SEND if window_full:
                window_full -= 1
            case Move.SEND:
                sends += 1
                fate = coming.pop(0) if len(coming) > 1 else coming[0]
                task = Standing(task.attempt + 1, now + TIMEOUT)
            case Move.PAUSE:
                fate = Attempt.MISSING
                task = Standing(task.attempt, now + pause(task.attempt))
            case Move.PAUSE_FREE:
                fate = Attempt.MISSING
                task = Standing(task.attempt - 1, now + timedelta(seconds=1))
        now += STEP
    return None, now, sends


def test_every_history_ends_by_its_deadline():
    for fates in itertools.product(Attempt, repeat=ATTEMPTS):
        for window_full in (0, 10_000):
            end, when, _ = walk(fates, window_full=window_full)
            assert end in ENDS, fates
            assert when <= DEADLINE + STEP, fates


def test_a_done_job_succeeds_even_after_the_deadline():
    late = DEADLINE + timedelta(hours=1)
    assert decide(Standing(1, late), Attempt.DONE, late, deadline=DEADLINE) is Move.SUCCEED


def test_a_refusal_is_final_at_once():
    assert walk([Attempt.REFUSED])[0] is Move.FAIL


def test_no_more_attempts_are_used_than_there_are():
    for fate in (Attempt.MISSING, Attempt.CRASHED, Attempt.UNDER_WAY):
        end, _, sends = walk([fate])
        assert (end, sends) == (Move.FAIL, ATTEMPTS)


def test_being_busy_uses_up_nothing_and_still_ends():
    end, when, sends = walk([Attempt.BUSY])
    assert end is Move.FAIL
    assert when >= DEADLINE
    assert sends > ATTEMPTS


def test_waiting_happens_only_before_something_is_due():
    for attempt, fate in itertools.product(range(ATTEMPTS + 1), Attempt):
        for seconds in (-1, 0, 1):
            due = BEGAN + timedelta(seconds=seconds)
            move = decide(Standing(attempt, due), fate, BEGAN, deadline=DEADLINE)
            assert move is not Move.WAIT or due > BEGAN
