"""A browser that runs no scripts does everything but the screen of a guest."""

import pytest
from playwright.sync_api import Page, expect

from portal.models import Role
from portal.services import projects, users
from tests.browser.site import Site
from tests.cloud import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

OWN_PASSWORD = "marble 17 umbrella coast"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHq3dXVmxwqkLPxFpS0PZuBGKHlPyEOmI9aVhjIXHVBO laptop"


class Person:
    """Somebody at a browser without scripts."""

    def __init__(self, site: Site, page: Page):
        self.site, self.page = site, page

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str) -> None:
        self.page.locator("main").get_by_role("link", name=name, exact=True).click()

    def choose(self, name: str) -> None:
        """Somewhere in the main menu, which a phone has behind a button."""
        if (menu := self.page.get_by_role("button", name="Menu")).is_visible():
            menu.click()
        menu = self.page.get_by_role("navigation", name="Main")
        menu.get_by_role("link", name=name, exact=True).first.click()

    def reads(self, text: str) -> None:
        expect(self.page.locator("main")).to_contain_text(text)

    def sees(self, status: str) -> None:
        """The hosts do their work; the page, loaded again, shows what came of it."""
        self.site.cloud.settle()
        self.page.reload()
        expect(self.page.locator("main .pill").first).to_have_text(status)


@pytest.fixture(params=[1280, 390], ids=["laptop", "phone"])
def person(request, site, window) -> Person:
    """Somebody new, an admin of the project red, who has never signed in."""
    name, ada = f"newcomer-{request.param}", site.cloud.actor("ada")
    users.create(ada, name, PASSWORD)
    projects.set_member(ada, site.red["project_id"], name, Role.ADMIN)
    size = {"width": request.param, "height": 900}
    page = window(java_script_enabled=False, viewport=size)
    page.goto("/")
    site.sign_in(name, page)
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill(OWN_PASSWORD)
    page.get_by_label("New password, once more").fill(OWN_PASSWORD)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("red")
    return Person(site, page)


def test_everything_is_done_without_scripts(person):
    add_a_key(person)
    create_an_instance(person)
    change_its_power(person)
    rename_and_delete_it(person)
    come_and_go_with_a_network(person)
    let_somebody_in_and_out(person)
    sign_out(person)


def add_a_key(person: Person) -> None:
    person.page.get_by_role("button", name="account").click()
    person.page.get_by_role("link", name="SSH keys").click()
    person.follow("Add key")
    person.page.get_by_label("Public key").fill(KEY)
    person.press("Add key")
    person.reads("The key laptop can be chosen for new instances.")
    person.page.get_by_role("button", name="Projects").click()
    person.page.get_by_role("navigation", name="Projects").get_by_role("link").click()


def create_an_instance(person: Person) -> None:
    person.choose("Instances")
    person.follow("Create instance")
    person.page.get_by_role("textbox", name="Name", exact=True).fill("plain")
    person.page.get_by_label("How many").fill("2")
    person.page.get_by_role("radio", name="small").check()
    person.press("Recalculate")
    summary = person.page.get_by_role("complementary", name="Summary")
    for promised in ("2 instances", "plain-1 … -2", "small"):
        expect(summary).to_contain_text(promised)
    person.page.get_by_label("How many").fill("1")
    person.press("Create instance")
    expect(person.page.get_by_role("heading", level=1)).to_have_text("plain")
    person.reads("Create is under way")
    person.sees("Running")
    person.reads("laptop")


def change_its_power(person: Person) -> None:
    for link, button, status in (
        ("Stop…", "Stop", "Stopped"),
        (None, "Start", "Running"),
        ("Reboot…", "Reboot", "Running"),
        ("Force stop…", "Force stop", "Stopped"),
    ):
        if link:
            person.follow(link)
        person.press(button)
        person.sees(status)


def rename_and_delete_it(person: Person) -> None:
    person.follow("Settings")
    person.page.get_by_role("textbox", name="Name", exact=True).fill("fancy")
    person.press("Rename")
    person.reads("It is named fancy now.")
    person.follow("Delete…")
    person.page.get_by_label("Type fancy to confirm").fill("plain")
    person.press("Delete instance")
    person.reads("Type fancy, exactly as it is written here.")
    person.page.get_by_label("Type fancy to confirm").fill("fancy")
    person.press("Delete instance")
    person.reads("fancy is being deleted.")
    person.site.cloud.settle()
    person.page.reload()
    expect(person.page.get_by_role("link", name="fancy")).to_have_count(0)


def come_and_go_with_a_network(person: Person) -> None:
    person.choose("Networks")
    person.follow("Create network")
    person.page.get_by_role("textbox", name="Name", exact=True).fill("lab")
    person.press("Create network")
    person.reads("The network lab is there.")
    person.site.cloud.settle()
    person.follow("Delete…")
    person.page.get_by_label("Type lab to confirm").fill("lab")
    person.press("Delete network")
    person.reads("The network lab is deleted.")


def let_somebody_in_and_out(person: Person) -> None:
    person.choose("Members")
    person.page.get_by_label("User name").fill("charlie")
    person.press("Add to the project")
    person.reads("charlie is member of this project.")
    person.page.get_by_role("link", name="Remove… charlie").click()
    person.press("Remove from the project")
    person.reads("charlie is no longer in this project.")


def sign_out(person: Person) -> None:
    person.page.get_by_role("button", name="account").click()
    person.page.get_by_role("button", name="Sign out").click()
    expect(person.page.get_by_role("heading", level=1)).to_have_text("Sign in")
