"""No history keeps a task open: every one is walked."""

import dataclasses
import itertools
from datetime import UTC, datetime, timedelta

from portal.conductor.decide import ATTEMPTS, LOST_AFTER, Attempt, Move, Standing, decide, pause

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
DEADLINE = BEGAN + timedelta(minutes=5)
TIMEOUT = timedelta(seconds=40)
STEP = timedelta(seconds=5)  # between two looks
ENDS = {Move.SUCCEED, Move.FAIL}
UNSENT = Attempt.UNSENT
SENT = tuple(Attempt)[1:]  # what may become of a sending


def walk(fates, *, without_room: int = 0):
    """Live through a history: `fates` are what becomes of one sending after the other, the last
    one for ever; for the first `without_room` looks the host has no room. An answer that is taken
    falls short if SHORT comes after it, else it fulfils the task. Returns how it ended and when,
    and how often it was sent."""
    task, now, coming = Standing(0, BEGAN, DEADLINE), BEGAN, list(fates)
    fate, sends = UNSENT, 0
    while now <= DEADLINE + timedelta(minutes=1):
        move = decide(task, fate, now, room=without_room <= 0)
        if move is Move.TAKE:
            fate = Attempt.SHORT if Attempt.SHORT in coming else Attempt.FULFILLED
            move = decide(task, fate, now)
        match move:
            case Move.SUCCEED | Move.FAIL:
                return move, now, sends
            case Move.SEND:
                sends += 1
                fate = coming.pop(0) if len(coming) > 1 else coming[0]
                task = Standing(task.attempt + 1, now + TIMEOUT, DEADLINE, now)
            case Move.PAUSE:
                fate = UNSENT
                task = Standing(task.attempt, now + pause(task.attempt), DEADLINE)
            case Move.PAUSE_FREE:
                fate = UNSENT
                task = Standing(task.attempt - 1, now + timedelta(seconds=1), DEADLINE)
        now += STEP
        without_room -= 1
    return None, now, sends


def test_every_history_ends_by_its_deadline():
    for fates in itertools.product(SENT, repeat=ATTEMPTS):
        for without_room in (0, 3, 10_000):
            end, when, _ = walk(fates, without_room=without_room)
            assert end in ENDS, fates
            assert when <= DEADLINE + STEP, fates


def test_an_answer_is_taken_even_after_the_deadline():
    late = DEADLINE + timedelta(hours=1)
    task = Standing(1, late, DEADLINE, BEGAN)
    assert decide(task, Attempt.ANSWERED, late) is Move.TAKE
    assert decide(task, Attempt.FULFILLED, late) is Move.SUCCEED


def test_an_answer_that_falls_short_is_no_success():
    assert walk([Attempt.ANSWERED, Attempt.SHORT])[0] is Move.FAIL
    assert walk([Attempt.ANSWERED])[0] is Move.SUCCEED


def test_what_another_ones_job_has_fulfilled_is_not_sent():
    task = Standing(0, BEGAN, DEADLINE)
    assert decide(task, Attempt.FULFILLED, BEGAN) is Move.SUCCEED


def test_a_refusal_is_final_at_once():
    assert walk([Attempt.REFUSED])[0] is Move.FAIL


def test_no_more_attempts_are_used_than_there_are():
    for fate in (Attempt.LOST, Attempt.CRASHED, Attempt.SHORT, Attempt.UNDER_WAY):
        end, _, sends = walk([fate])
        assert (end, sends) == (Move.FAIL, ATTEMPTS)


def test_what_is_lost_is_sent_again_long_before_it_is_due():
    task = Standing(1, BEGAN + timedelta(hours=1), DEADLINE, BEGAN)
    assert decide(task, Attempt.LOST, BEGAN + LOST_AFTER - STEP) is Move.WAIT
    assert decide(task, Attempt.LOST, BEGAN + LOST_AFTER) is Move.SEND


def test_being_busy_uses_up_nothing_and_still_ends():
    end, when, sends = walk([Attempt.BUSY])
    assert end is Move.FAIL
    assert when >= DEADLINE
    assert sends > ATTEMPTS


def test_a_host_without_room_ends_it_at_its_deadline_and_uses_up_nothing():
    end, when, sends = walk([Attempt.ANSWERED], without_room=10_000)
    assert (end, sends) == (Move.FAIL, 0)
    assert when >= DEADLINE


def test_waiting_happens_only_before_something_is_due_or_without_room():
    for attempt, fate, room in itertools.product(range(ATTEMPTS + 1), Attempt, (True, False)):
        for seconds in (-1, 0, 1):
            due = BEGAN + timedelta(seconds=seconds)
            task = Standing(attempt, due, DEADLINE, due - LOST_AFTER)
            move = decide(task, fate, BEGAN, room=room)
            assert move is not Move.WAIT or due > BEGAN or not room
            late = dataclasses.replace(task, deadline=BEGAN)
            assert decide(late, fate, BEGAN, room=room) not in (Move.WAIT, Move.SEND)
