"""How lists are asked for, and the links that lead on, in the shape of each service."""

import uuid
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import g

from portal.api import lists
from portal.api.faults import Fault
from tests.api.shapes import assert_fault

LISTED = lists.Listed(
    "things",
    sorts={"name": "name", "created_at": "created_at", "ram": "memory_mib"},
    filters={
        "name": ("name", lists.text),
        "tenant_id": ("project_id", lists.an_id),
        "locked": ("protected", lists.flag),
        "ram": ("memory_mib", lists.whole),
    },
    most=50,
)
ROOTS = {
    "identity": "/identity/v3/auth/catalog",
    "compute": "/compute/v2.1",
    "network": "/network/v2.0",
    "image": "/image/versions",
}
THING = {"id": "7d0f6a10-0d7c-4c3b-9f43-3f8f6f5b6b0a", "name": "web-1"}


@pytest.fixture
def asked(app):
    """Something as it is while a service is asked with this query."""

    def ask(query: str, what, service: str = "compute"):
        with app.test_request_context(f"{ROOTS[service]}?{query}"):
            g.request_id = "req-test"
            return what()

    return ask


def wanted(asked, query: str, service: str = "compute"):
    return asked(query, lambda: lists.wanted(LISTED), service)


def refused(asked, query: str) -> str:
    with pytest.raises(Fault) as caught:
        wanted(asked, query)
    assert caught.value.status == 400
    return caught.value.sentence


def answered(asked, query: str, more: bool, service: str) -> dict:
    return asked(query, lambda: lists.answer(LISTED, [THING], more), service)


def query_of(href: str) -> dict:
    return {name: values[0] for name, values in parse_qs(urlsplit(href).query).items()}


def test_without_a_word_a_list_is_in_its_own_order_and_no_longer_than_it_may_be(asked):
    stretch = wanted(asked, "")
    assert (stretch.order, stretch.limit, stretch.after) == (LISTED.order, 50, None)
    assert not stretch.filters


def test_limits_are_kept_within_what_one_answer_holds(asked):
    assert wanted(asked, "limit=2").limit == 2
    assert wanted(asked, "limit=1000000").limit == 50
    assert wanted(asked, "limit=0").limit == 0
    assert wanted(asked, "limit=0", "network").limit == 50
    for wrong in ("-1", "ten", "1.5", "", "9" * 30, "\u0663"):
        assert refused(asked, f"limit={wrong}")


def test_markers_are_ids_with_dashes_or_without(asked):
    id_ = uuid.uuid4()
    for marker in (str(id_), id_.hex):
        assert wanted(asked, f"marker={marker}").after == id_
    assert "begin it anew" in refused(asked, "marker=web-1")


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("sort_key=name", [("name", True)]),
        ("sort_key=name&sort_dir=asc", [("name", False)]),
        ("sort_key=name&sort_key=ram&sort_dir=asc", [("name", False), ("memory_mib", False)]),
        ("sort=name:asc,ram:desc", [("name", False), ("memory_mib", True)]),
        ("sort=name:asc,name:desc", [("name", False)]),
        ("sort=ram", [("memory_mib", True)]),
    ],
)
def test_orders_are_said_in_either_way(asked, query, order):
    assert wanted(asked, query).order == order


def test_networks_ascend_unless_it_is_said(asked):
    assert wanted(asked, "sort_key=name", "network").order == [("name", False)]


@pytest.mark.parametrize("query", ["sort_key=secret", "sort=name:up", "sort_key=name&sort_dir=x"])
def test_an_order_that_there_is_not_is_refused(asked, query):
    assert refused(asked, query)


def test_filters_are_read_by_their_kind_and_repeated_for_any(asked):
    id_ = uuid.uuid4()
    query = f"name=a&name=b&tenant_id={id_.hex}&locked=True&ram=512&no_such_filter=1"
    assert wanted(asked, query).filters == {
        "name": ("a", "b"),
        "project_id": (id_,),
        "protected": (True,),
        "memory_mib": (512,),
    }


def test_an_id_that_is_none_finds_nothing(asked):
    assert wanted(asked, "tenant_id=red").filters == {"project_id": (lists.NEVER,)}


@pytest.mark.parametrize("query", ["locked=maybe", "ram=much", "name=%00"])
def test_values_that_are_none_are_refused(asked, query):
    assert refused(asked, query)


def test_images_are_asked_for_by_several_values_in_one(asked):
    assert wanted(asked, "name=in:a,b", "image").filters == {"name": ("a", "b")}
    assert wanted(asked, "name=in:a,b").filters == {"name": ("in:a,b",)}


@pytest.mark.parametrize(
    ("service", "next_of"),
    [
        ("identity", lambda body: body["links"]["next"]),
        ("compute", lambda body: body["things_links"][0]["href"]),
        ("network", lambda body: body["things_links"][0]["href"]),
        ("image", lambda body: body["next"]),
    ],
)
def test_a_link_leads_on_with_the_same_question(asked, service, next_of):
    body = answered(asked, "limit=1&name=a%26b&marker=old", True, service)
    assert body["things"] == [THING]
    href = next_of(body)
    assert query_of(href) == {"limit": "1", "name": "a&b", "marker": THING["id"]}
    assert href.startswith("/" if service == "image" else "http://localhost/")
    assert not href.startswith("/image")


def test_a_list_that_has_ended_leads_nowhere(asked):
    assert answered(asked, "limit=1", False, "identity")["links"]["next"] is None
    for service in ("compute", "network"):
        assert "things_links" not in answered(asked, "limit=1", False, service)
    assert "next" not in answered(asked, "limit=1", False, "image")


def test_networks_lead_back_too(asked):
    body = answered(asked, "limit=1&marker=x", False, "network")
    [previous] = body["things_links"]
    assert previous["rel"] == "previous"
    assert query_of(previous["href"])["page_reverse"] == "True"


def test_of_networks_only_some_fields_may_be_wanted(asked):
    assert answered(asked, "fields=name", False, "network")["things"] == [{"name": "web-1"}]
    query = "fields=name&fields=id"
    assert answered(asked, query, False, "network")["things"] == [THING]


@pytest.mark.parametrize(
    "query",
    [
        "compute/v2.1/servers?" + "&".join(["name=a*a*b"] * 6),
        "compute/v2.1/servers?" + "&".join(["ip=1.*2"] * 6),
        "compute/v2.1/servers?not-tags-any=" + ",".join(["a"] * 1000),
        "compute/v2.1/servers?" + "&".join(["tags=a"] * 51),
        "network/v2.0/ports?" + "&".join(["tags=" + ",".join(["a"] * 26)] * 2),
        "image/v2/images?" + "&".join(["tag=a"] * 51),
    ],
)
def test_a_list_is_not_narrowed_by_more_than_a_database_can_take(alice, query):
    answer = alice.get(f"/{query}", headers={"OpenStack-API-Version": "compute 2.26"})
    assert "at most" in assert_fault(answer, 400)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59"])
def test_a_moment_that_no_clock_shows_is_refused(alice, moment):
    assert_fault(alice.get(f"/compute/v2.1/servers?changes-since={moment}"), 400)
