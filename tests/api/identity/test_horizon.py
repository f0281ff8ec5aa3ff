"""What Horizon asks when somebody signs in to it, and on each page after that."""

from tests.api.identity.people import V3
from tests.api.shapes import assert_fault
from tests.cloud import PASSWORD
from tests.programs import DOMAIN

TOKENS = f"{V3}/auth/tokens"


def test_horizon_signs_in_and_speaks_for_a_project(program):
    horizon = program()
    assert horizon.get(f"{V3}/").json["version"]["id"].startswith("v3")
    user = {"name": "alice", "domain": {"name": "Default"}, "password": PASSWORD}
    identity = {"methods": ["password"], "password": {"user": user}}
    unscoped = horizon.post(TOKENS, {"auth": {"identity": identity, "scope": "unscoped"}})
    assert unscoped.status_code == 201
    assert "project" not in unscoped.json["token"]
    horizon.token = unscoped.headers["X-Subject-Token"]

    by_token = {"methods": ["token"], "token": {"id": horizon.token}}
    of_domain = {"auth": {"identity": by_token, "scope": {"domain": {"name": "Default"}}}}
    assert_fault(program().post(TOKENS, of_domain), 401)
    assert horizon.get(f"{V3}/auth/domains").json["domains"] == []

    user_id = unscoped.json["token"]["user"]["id"]
    [project] = horizon.get(f"{V3}/users/{user_id}/projects").json["projects"]
    assert project["name"] == "red"
    scope = {"project": {"id": project["id"], "domain": DOMAIN}}
    scoped = program().post(TOKENS, {"auth": {"identity": by_token, "scope": scope}})
    token = scoped.json["token"]
    assert token["project"]["id"] == project["id"]
    assert {"identity", "compute", "network", "image"} <= {
        each["type"] for each in token["catalog"]
    }
    horizon.token = scoped.headers["X-Subject-Token"]
    assert horizon.get(f"{V3}/users/{user_id}/projects").json["projects"] == [project]
    again = {"auth": {"identity": {**by_token, "token": {"id": horizon.token}}, "scope": scope}}
    assert program().post(TOKENS, again).status_code == 201


def test_a_token_that_is_worth_nothing_gets_no_other(alice, program):
    by_token = {"methods": ["token"], "token": {"id": alice.token}}
    alice.delete(TOKENS, headers={"X-Subject-Token": alice.token})
    assert_fault(program().post(TOKENS, {"auth": {"identity": by_token}}), 404)
