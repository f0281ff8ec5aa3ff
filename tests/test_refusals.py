"""A refusal is data until a front door words it."""

from datetime import timedelta

import pytest

from portal.db import now
from portal.errors import Conflict, OverQuota, Refused, TooMany, Unavailable, all_of
from portal.models import Status
from portal.sentences import Sentence
from portal.services import quotas


def test_a_refusal_keeps_its_sentence_and_its_values_apart():
    refused = Conflict("{name} is busy: {action:verb} has not finished.", name="web", action="x_y")
    assert refused.sentence == "{name} is busy: {action:verb} has not finished."
    assert refused.arguments == {"name": "web", "action": "x_y"}
    assert str(refused) == "web is busy: x y has not finished."
    assert (refused.field, refused.retry_after, refused.status) == (None, None, 409)


def test_braces_in_what_somebody_typed_are_theirs():
    for typed in ("{name}", "{0}", "{", "{name.__class__}", "{{}}"):
        assert str(Refused("There is no {name}.", name=typed)) == f"There is no {typed}."
        assert str(Refused(typed)) == typed
        assert str(Refused("{said} Mend it.", said=Sentence(typed))) == f"{typed} Mend it."


@pytest.mark.parametrize(
    ("template", "value", "said"),
    [
        ("{it}", 65_535, "65535"),
        ("{it:count}", 65_535, "65,535"),
        ("{it:size}", 3 * 2**29, "1.5 GiB"),
        ("{it:memory}", 512, "512 MiB"),
        ("{it:disk}", 80, "80 GiB"),
        ("{it:duration}", timedelta(seconds=90), "1 min 30 s"),
        ("{it:state}", Status.DELETE_WAITING, "waiting for its host"),
        ("{it:verb}", "boot_log", "boot log"),
        ("{it:list}", ["a", "b"], "a, b"),
        ("{it:all}", ["10.0.0.0/24", "10.0.1.0/24"], "10.0.0.0/24 and 10.0.1.0/24"),
        ("{it:parts}", [Sentence("{n} of 2", n=1), Sentence("none")], "1 of 2; none"),
        ("{it}", Sentence("{n:memory}", n=1024), "1 GiB"),
    ],
)
def test_a_value_is_worded_at_the_end(template, value, said):
    assert str(Refused(template, it=value)) == said


def test_how_long_ago_it_was_is_said_of_the_moment_in_which_it_is_read(clock):
    refused = Refused("kvm-1 was last heard {at:since}.", at=now())
    assert str(refused) == "kvm-1 was last heard just now."
    clock.forward(seconds=120)
    assert str(refused) == "kvm-1 was last heard 2 min ago."


def test_a_sentence_that_was_made_elsewhere_is_one():
    said = Sentence("There is a {noun} named {name} already.", noun="user", name="ada")
    refused = Conflict.saying(said, field="name")
    assert isinstance(refused, Conflict)
    assert (refused.arguments["name"], refused.field, str(refused)) == ("ada", "name", str(said))
    with pytest.raises(TypeError):
        Conflict.saying("There is a user named ada already.")


def test_all_mistakes_are_told_at_once_each_with_its_field():
    def refuse(field):
        raise Refused("Choose a {field_name}.", field_name=field, field=field)

    with pytest.raises(Refused) as refused:
        all_of(
            lambda: refuse("image"),
            lambda: all_of(lambda: refuse("flavor"), lambda: refuse("network")),
        )
    told = [(each.field, str(each)) for each in refused.value.mistakes]
    assert told == [
        ("image", "Choose a image."),
        ("flavor", "Choose a flavor."),
        ("network", "Choose a network."),
    ]


def test_whoever_shall_wait_is_told_how_long():
    assert TooMany("Wait {seconds} seconds.", seconds=7, retry_after=7).retry_after == 7
    assert Unavailable("It does not answer.", retry_after=10).retry_after == 10
    assert Unavailable("It is full.").retry_after is None
    with pytest.raises(TypeError):
        TooMany("Not so often.")


def test_numbers_of_a_quota_are_values_until_they_are_read(cloud):
    """An amount and its unit stay together; only the sentence has the words."""
    project = cloud.project()
    with pytest.raises(OverQuota) as refused:
        quotas.check(project.id, memory_mib=10**9)
    assert refused.value.arguments["wanted"].arguments == {"amount": 10**9}
    assert "976562.5 GiB more were asked for" in str(refused.value)
