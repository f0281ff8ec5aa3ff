"""The words that people see of an instance, and what each allows, as one printed table."""

import itertools

from portal.changes import CHANGES
from portal.changes.instances import POWER
from portal.models.status import ACTIONS, UNDER_WAY, WIRE, Power, Status, Wire, status
from tests import golden


def words_at_rest() -> str:
    rows = [
        [wanted, seen, "yes" if faulty else "no", found.word, found.tone]
        for wanted, seen, faulty in itertools.product(Power, Power, (False, True))
        if (found := status(wanted, seen, action=None, faulty=faulty))
    ]
    rows += [
        [wanted, Power.RUNNING, "still", found.word, found.tone]
        for wanted in Power
        if (found := status(wanted, Power.RUNNING, action=None, faulty=False, still=True))
    ]
    return golden.table(["wanted", "seen", "fault", "status", "tone"], rows)


def words_under_way() -> str:
    rows = [[action, found.word, found.tone] for action, found in UNDER_WAY.items()]
    return golden.table(["change under way", "status", "tone"], rows)


def what_each_allows() -> str:
    rows = [
        [each.word, *("yes" if each in allowed else "-" for allowed in ACTIONS.values())]
        for each in Status
    ]
    return golden.table(["status", *ACTIONS], rows)


def words_on_the_wire() -> str:
    rows = [[each.word, *map(str, WIRE[each])] for each in Status]
    return golden.table(["status", *Wire._fields], rows)


def test_the_words_are_those_that_are_printed():
    golden.assert_same(
        "status.txt",
        "\n".join([words_at_rest(), words_under_way(), what_each_allows(), words_on_the_wire()]),
    )


def test_a_change_under_way_says_so_whatever_is_wanted_and_seen():
    for action, wanted, seen, faulty in itertools.product(UNDER_WAY, Power, Power, (False, True)):
        assert status(wanted, seen, action=action, faulty=faulty) is UNDER_WAY[action]


def test_what_a_state_allows_during_a_change_supersedes_that_change():
    """A button that is offered while something is under way must not be refused as busy."""
    for action, during in itertools.product(
        ACTIONS.keys() - {"rename", "console", "cancel"}, UNDER_WAY
    ):
        if UNDER_WAY[during] in ACTIONS[action] and during != action:
            change = CHANGES["instances", "repair" if action == "retry" else action]
            assert during in change.supersedes, f"{action} is offered during {during}"


def test_what_can_be_cancelled_replaced_an_intent_that_can_be_given_back():
    cancelled = {each for each, during in UNDER_WAY.items() if during in ACTIONS["cancel"]}
    assert cancelled == POWER - {"resume"}  # which replaces none
