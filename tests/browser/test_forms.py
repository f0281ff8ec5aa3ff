"""Forms with scripts: what follows while one fills them in, and what happens when they are sent."""

import random

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from portal.db import session
from portal.models import Instance
from portal.services import quotas
from tests.services.image_files import bootable

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

NAMES = ("db", "build runner", "web", "Ünïcode 🚀", "a" * 80)


@pytest.fixture
def form(site, window) -> Page:
    """Alice is about to create an instance."""
    page = window("alice")
    page.goto(f"/projects/{site.red['project_id']}/instances/new")
    return page


def said(page: Page) -> dict[str, str]:
    """The names and values of the summary."""
    facts = page.locator("#summary dl > div").all()
    return {fact.locator("dt").inner_text(): fact.locator("dd").inner_text() for fact in facts}


def made(name: str) -> list[Instance]:
    """The instances of this name, or of the names that begin with it and a dash."""
    session.rollback()
    query = select(Instance).where(Instance.name.in_([name, *(f"{name}-{n}" for n in range(21))]))
    return list(session.scalars(query.order_by(Instance.name)))


@pytest.mark.parametrize("seed", range(4))
def test_the_summary_says_what_will_be_made(site, form, seed):
    chance = random.Random(seed)
    name, count = f"{chance.choice(NAMES)} {seed}", chance.randint(1, 3)
    group = form.get_by_role("radiogroup", name="Flavor")
    flavor = chance.choice(group.locator("b").all_inner_texts())
    network = chance.choice(["default", "of-red"])
    form.get_by_label("Name", exact=True).fill(name)
    group.get_by_role("radio", name=flavor).check()
    form.get_by_label("Network", exact=True).select_option(
        form.locator("#network_id option", has_text=network).get_attribute("value")
    )
    form.get_by_label("How many").fill(str(count))
    form.get_by_label("How many").blur()
    expect(form.locator("#summary")).to_contain_text(network)
    title = f"{count} instance" if count == 1 else f"{count} instances"
    expect(form.locator("#summary h2")).to_have_text(title)
    named = name if count == 1 else f"{name}-1 … -{count}"
    expect(form.locator("#summary dl")).to_contain_text(named)
    expect(form.locator("#summary dl")).to_contain_text(flavor)
    promised = said(form)
    form.get_by_role("button", name="Create instance").click()
    expect(form.get_by_role("heading", level=1)).not_to_have_text("Create an instance")
    there = made(name)
    assert len(there) == count
    assert {each.flavor_name for each in there} == {promised["Flavor"]}
    assert promised["Network"] == network
    used = quotas.usage(site.red["project_id"])["instances"].used
    session.rollback()
    site.cloud.settle()
    assert used >= count


def test_the_summary_says_what_is_left_of_the_quota(site, form):
    before = quotas.usage(site.red["project_id"])["instances"]
    session.rollback()
    form.get_by_label("How many").fill("7")
    form.get_by_label("How many").blur()
    expect(form.locator("#summary .meter").first).to_contain_text(
        f"{before.used} + 7 of {before.limit}"
    )


def test_a_refused_form_is_faced_where_it_says_what_is_wrong(form):
    form.get_by_label("Name", exact=True).fill("")
    form.get_by_role("button", name="Create instance").click()
    errors = form.get_by_role("alert")
    expect(errors).to_contain_text("Some answers need another look")
    expect(form.get_by_text("Give it a name.")).to_have_count(1)
    expect(errors).to_be_focused()
    errors.get_by_role("link", name="Name").click()
    expect(form.get_by_label("Name", exact=True)).to_be_focused()


def test_a_double_click_makes_one_instance(site, form):
    form.get_by_label("Name", exact=True).fill("once")
    form.get_by_role("button", name="Create instance").dblclick()
    expect(form.get_by_role("heading", level=1)).to_have_text("once")
    assert len(made("once")) == 1
    site.cloud.settle()


def test_a_mistake_of_an_upload_is_said_before_its_file_is_sent_and_the_file_stays(
    site, window, tmp_path
):
    disk = tmp_path / "disk.raw"
    disk.write_bytes(bootable(b""))
    page = window("alice")
    sent = []
    page.on("request", lambda each: sent.append(each.url) if each.method == "POST" else None)
    images = f"/projects/{site.red['project_id']}/images"
    page.goto(f"{images}/new")
    page.get_by_label("Name", exact=True).fill("")
    page.get_by_label("File").set_input_files(disk)
    page.get_by_role("button", name="Upload image").click()
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_text("Give it a name.")).to_have_count(1)
    assert page.get_by_label("File").evaluate("input => input.files[0].name") == "disk.raw"
    assert [each for each in sent if each.endswith("/images")] == []
    page.get_by_label("Name", exact=True).fill("Mended")
    page.get_by_role("button", name="Upload image").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mended")
    assert len([each for each in sent if each.endswith("/images")]) == 1
