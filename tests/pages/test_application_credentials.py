"""Application credentials as people see them, without scripts."""

import re

import pytest
from sqlalchemy import select

from portal.db import session
from portal.models import Activity, ApplicationCredential
from tests.programs import TOKENS, Program

HERE = "/account/credentials"


def created(browser, cloud, **more):
    form = {"name": "ci", "project": str(cloud.project().id), "role": "", "days": "90"}
    return browser.send(HERE, form | more, page=f"{HERE}/new")


def credential() -> ApplicationCredential:
    session.rollback()
    return session.scalar(select(ApplicationCredential))


def test_the_secret_is_shown_once_in_the_files_that_programs_read(alice, cloud):
    assert "No application credential yet" in alice.open(HERE).text
    page = created(alice, cloud).text
    [secret] = set(re.findall(r"OS_APPLICATION_CREDENTIAL_SECRET=(\S+)", page))
    for line in (
        "clouds:\n  portico:\n    auth_type: v3applicationcredential",
        "auth_url: http://localhost/identity/v3",
        "export OS_AUTH_URL=http://localhost/identity/v3",
        f"application_credential_id     = &#34;{credential().id.hex}&#34;",
        f"application_credential_secret = &#34;{secret}&#34;",
    ):
        assert line in page, line
    listed = alice.open(HERE).text
    assert "ci" in listed
    assert secret not in listed
    for entry in session.scalars(select(Activity)):
        assert secret not in repr(vars(entry))


def test_what_the_page_shows_lets_a_program_in(alice, cloud):
    page = created(alice, cloud, role="reader").text
    [secret] = set(re.findall(r"OS_APPLICATION_CREDENTIAL_SECRET=(\S+)", page))
    said = {"id": credential().id.hex, "secret": secret}
    identity = {"methods": ["application_credential"], "application_credential": said}
    program = Program(alice.client.application)
    answer = program.post(TOKENS, {"auth": {"identity": identity}})
    assert [role["name"] for role in answer.json["token"]["roles"]] == ["reader"]
    assert "Never" not in alice.open(HERE).text


def test_a_role_above_ones_own_is_refused(cloud, sign_in):
    answer = created(sign_in("bob"), cloud, role="admin")
    assert answer.status_code == 403
    assert "at most as strong as you are" in answer.text
    assert credential() is None


def test_a_project_of_others_cannot_be_chosen(alice, cloud):
    answer = created(alice, cloud, project=str(cloud.project("blue").id))
    assert answer.status_code == 422
    assert credential() is None


@pytest.mark.parametrize(("days", "expires"), [("30", True), ("", False)])
def test_it_lasts_as_long_as_is_chosen(alice, cloud, days, expires):
    created(alice, cloud, days=days)
    assert bool(credential().expires_at) is expires
    cloud.clock.forward(days=31)
    alice.sign_in("alice")
    assert ("Expired" in alice.open(HERE).text) is expires


def test_one_that_is_deleted_is_gone(alice, cloud):
    created(alice, cloud)
    path = f"{HERE}/{credential().id}/delete"
    assert "let in no more" in alice.open(path).text
    assert alice.send(path, {}, page=path).status_code == 303
    assert credential() is None
    assert "is deleted" in alice.open(HERE).text


def test_help_says_how_programs_sign_in_to_everybody(alice):
    assert "/help/api" in alice.open("/help").text
    assert "How a program signs in" in alice.open("/help/api").text
