"""The dice: what the person does next, and when an accident happens meanwhile."""

import dataclasses
import random
import re
import time
from collections import Counter

from lxml import html

from tests.chaos.accidents import Accidents
from tests.chaos.guests import DEAF_IMAGE
from tests.chaos.ledger import Ledger
from tests.chaos.person import Gone, Person
from tests.stack import Stack

DEAF_SHARE = 0.12  # of creations
TWICE_SHARE = 0.1  # of creations whose form is sent a second time, as by a double click
WEIGHTS = {
    "start": 5,
    "retry": 5,
    "resume": 5,
    "reboot": 3,
    "stop": 3,
    "force_stop": 2,
    "delete": 1.5,
    "cancel": 1,
}
IN_A_HURRY = {"cancel", "delete", "force_stop"}  # offered while it is busy; mostly a person waits
HURRY_SHARE = 0.2
MOST_OPEN = 6  # changes under way; a person waits then
WANTED = "SELECT id, name FROM instances WHERE desired <> 'absent' ORDER BY created_at, id"
SECOND_NETWORK = ("second", "10.77.0.0/24")


@dataclasses.dataclass(frozen=True)
class Creation:
    """A form that was sent: how many instances it asked for, under which name, and whether the
    portal's last word was yes."""

    name: str
    count: int
    accepted: bool


class Story:
    """Clicks until `operations` changes have been asked for; what was asked for is remembered."""

    def __init__(self, stack: Stack, dice: random.Random, *, most_alive: int, accidents: float):
        self._stack, self._dice, self._most_alive = stack, dice, most_alive
        self._accident_share = accidents  # per operation
        self.person = Person(stack.url)
        self.ledger = Ledger(stack.database)
        self.accidents = Accidents(stack, dice)
        self.creations: list[Creation] = []
        self.asked: Counter[str] = Counter()  # accepted changes, by what was clicked
        self.refused: Counter[str] = Counter()

    def begin(self) -> None:
        """Somebody is signed in, the hosts were heard, and there is a second network."""
        self.person.sign_in()
        place = f"{self.person.project}/networks"
        name, cidr = SECOND_NETWORK
        self.person.send(self.person.open(f"{place}/new"), place, name=name, cidr=cidr)
        deadline = time.monotonic() + 60
        heard = "SELECT name FROM hosts WHERE heard_at IS NULL OR observed_at IS NULL"
        while missing := self.ledger.rows(heard):
            if time.monotonic() > deadline:
                raise RuntimeError(f"never heard from {missing}")
            time.sleep(0.2)

    def run(self, operations: int, say) -> None:
        """So many changes have been asked for, and accidents have happened meanwhile."""
        began = time.monotonic()
        while (done := self.asked.total()) < operations:
            self.accidents.thaw()
            self._click()
            if self._dice.random() < self._accident_share * (self.asked.total() - done):
                time.sleep(self._dice.uniform(0, 0.7))
                if struck := self.accidents.strike():
                    say(f"{time.monotonic() - began:5.0f} s, {done:4d} operations: {struck}")
            self._pause()
        while self.accidents.frozen:
            self.accidents.thaw()
            time.sleep(0.1)

    def delete_instances(self) -> None:
        """Each that is shown was deleted by its button."""
        for instance_id in self.person.shown():
            self._delete(f"{self.person.project}/instances/{instance_id}")

    def delete_networks(self) -> None:
        """Each was deleted by its button."""
        place = f"{self.person.project}/networks"
        for row in self.ledger.rows("SELECT id FROM networks WHERE deleted_at IS NULL"):
            self._delete(f"{place}/{row['id']}")

    def _click(self) -> None:
        names = {row["id"]: row["name"] for row in self.ledger.rows(WANTED)}
        room = self._most_alive - len(names)
        wish = self._dice.random()
        if room > 0 and wish < (0.9 if len(names) < 3 else 0.25):
            self._create(self._dice.randint(1, min(3, room)))
        elif names:
            self._change(*self._dice.choice(list(names.items())))

    def _create(self, count: int) -> None:
        place = f"{self.person.project}/instances"
        page = self.person.open(f"{place}/new")
        name = f"chaos-{len(self.creations) + 1}"
        filled = {
            "name": name,
            "count": str(count),
            "network_id": self._dice.choice(page.xpath('//*[@name="network_id"]//@value')),
            "image_id": self._image(page),
        }
        status = self.person.send(page, place, **filled)
        if status == 303 and self._dice.random() < TWICE_SHARE:
            status = self.person.send(page, place, **filled)
        self.creations.append(Creation(name, count, status == 303))
        self._count("create", status)

    def _image(self, page: html.HtmlElement) -> str:
        labels = {
            each.get("value"): each.getparent().text_content()
            for each in page.xpath('//input[@name="image_id"]')
        }
        deaf = [value for value, label in labels.items() if DEAF_IMAGE in label]
        others = sorted(set(labels) - set(deaf))
        return deaf[0] if deaf and self._dice.random() < DEAF_SHARE else others[0]

    def _change(self, instance_id: str, name: str) -> None:
        """One of the buttons of its page was pressed; for one that is busy mostly none."""
        place = f"{self.person.project}/instances/{instance_id}"
        try:
            page = self.person.open(place)
        except Gone:
            return
        offered = {"delete"}
        for address in page.xpath("//a/@href | //form/@action"):
            if found := re.fullmatch(rf"{place}/actions/(\w+)", address):
                offered.add(found[1])
        actions = sorted(offered)
        action = self._dice.choices(actions, [WEIGHTS[each] for each in actions])[0]
        if offered <= IN_A_HURRY and self._dice.random() > HURRY_SHARE:
            time.sleep(0.1)
            return
        if action == "delete":
            status = self.person.send(page, f"{place}/delete", confirm=name)
        else:
            status = self.person.send(page, f"{place}/actions/{action}")
        self._count(action, status)

    def _delete(self, place: str) -> int:
        """The name was typed into the page that asks for it."""
        try:
            page = self.person.open(f"{place}/delete")
        except Gone:
            return 404
        name = page.xpath('string(//label[@for="confirm"]/code)')
        return self.person.send(page, f"{place}/delete", confirm=name)

    def _count(self, action: str, status: int) -> None:
        if status >= 500:
            raise AssertionError(f"the portal answered {status} to {action}")
        (self.asked if status == 303 else self.refused)[action] += 1

    def _pause(self) -> None:
        time.sleep(self._dice.uniform(0, 0.3) if self._stack.real else 0)
        while len(self.ledger.rows("SELECT id FROM operations WHERE finished_at IS NULL")) > (
            MOST_OPEN * len(self._stack.hosts)
        ):
            self.accidents.thaw()
            time.sleep(0.1)
