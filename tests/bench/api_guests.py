"""A guest by the API against the same guest by hand, in the same minutes on the same host."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import requests

from tests.bench import breakdown, guests
from tests.bench.figures import Figure, median, milliseconds
from tests.bench.portal import Portal
from tests.programs import by_password

ROUNDS, GOAL_RATIO = 12, 1.4
LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 120
NAME = "bench-api"


class Client:
    """A program of the administrator's, with a token for the project of `portal`."""

    def __init__(self, portal: Portal, name: str, password: str):
        self.url, self.ground, self.http = portal.url, portal.ground, requests.Session()
        project_id = portal.project.rpartition("/")[2]
        body = by_password(name, password=password)
        body["auth"]["scope"] = {"project": {"id": project_id}}
        answer = self.http.post(f"{self.url}/identity/v3/auth/tokens", json=body)
        if answer.status_code != 201:
            raise SystemExit(f"bench: {name} gets no token: {answer.text}")
        self.http.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]

    @contextlib.contextmanager
    def server(self) -> Iterator[str]:
        """The address of a server that was asked for just now; it goes afterwards."""
        wish = {
            "name": NAME,
            "imageRef": self.ground.image_id,
            "flavorRef": self.ground.flavor_id,
            "networks": [{"uuid": self.ground.network_id}],
        }
        answer = self.http.post(f"{self.url}/compute/v2.1/servers", json={"server": wish})
        if answer.status_code != 202:
            raise SystemExit(f"bench: the API refused a server: {answer.text}")
        place = f"{self.url}/compute/v2.1/servers/{answer.json()['server']['id']}"
        try:
            yield place
        finally:
            self.http.delete(place)
            self._wait(place, gone=True)

    def until_active(self) -> float:
        """Seconds from the wish for a server until it is said to be ACTIVE."""
        began = time.perf_counter()
        with self.server() as place:
            self._wait(place)
            return time.perf_counter() - began

    def _wait(self, place: str, *, gone: bool = False) -> None:
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while True:
            answer = self.http.get(place)
            if answer.status_code == 404 and gone:
                return
            status = answer.json()["server"]["status"]
            if status == "ACTIVE" and not gone:
                return
            if status == "ERROR" or time.perf_counter() > deadline:
                raise SystemExit(f"bench: a server of the API's is {status}: {answer.text[:500]}")
            time.sleep(LOOK_SECONDS)


def measure(portal: Portal, state: Path, name: str, password: str) -> list[Figure]:
    """One at a time, in turn. `state` is the state directory of the host."""
    client = Client(portal, name, password)
    with guests.by_hand(portal, state) as hand:
        pairs = [(client.until_active(), _by_hand(hand)) for _ in range(ROUNDS)]
    ours, hands = (median(times) for times in zip(*pairs, strict=True))
    return [
        Figure(
            f"API: POST server to ACTIVE, median of {ROUNDS}, against by hand",
            f"{milliseconds(ours)} / {milliseconds(hands)} = {ours / hands:.2f} x",
            f"<= {GOAL_RATIO} x",
            ours <= GOAL_RATIO * hands,
        )
    ]


def _by_hand(hand: guests.ByHand) -> float:
    watch = breakdown.Watch()
    guests.remove(hand.make(watch))
    return breakdown.total(watch.steps)
