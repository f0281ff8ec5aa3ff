"""Programs that wait for news: without threads, told at once, and nothing lost in between."""

import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest
import requests

from portal import config
from portal.conductor import news
from portal.server import waiting
from tests.pages.test_as_code import shown
from tests.programs import TOKENS, by_password
from tests.web import WebServer
from workers import wire

EVENTS = "/portico/v1/events"
THREADS = 4
PATIENCE_SECONDS = 40


class Reader:
    """A program that follows the events of its project."""

    def __init__(self, web: WebServer, name: str, project: str):
        self.url = web.url + EVENTS
        answer = requests.post(web.url + TOKENS, json=by_password(name, project), timeout=20)
        self.headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
        self.after = self.ask().json()["after"]

    def ask(self, **query) -> requests.Response:
        return requests.get(self.url, params=query, headers=self.headers, timeout=PATIENCE_SECONDS)

    def wait(self, seconds: int = 30) -> requests.Response:
        return self.ask(after=self.after, wait=seconds)


@pytest.fixture
def web(cloud, tmp_path):
    news.tell(cloud.wire)
    web = WebServer(
        tmp_path, threads=THREADS, uploads_at_once=1, consoles_at_once=1, web_threads=THREADS
    )
    web.wait()
    yield web
    web.stop()
    assert "Traceback" not in web.log


@pytest.fixture
def alice(web):
    return Reader(web, "alice", "red")


@pytest.fixture
def crowd():
    with ThreadPoolExecutor(max_workers=64) as pool:
        yield pool


def listened(cloud) -> None:
    """Somebody waits: the web process listens."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not cloud.redis.pubsub_numsub(wire.NEWS)[0][1]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_whoever_waits_is_told_as_it_happens(alice, crowd, cloud):
    answer = crowd.submit(alice.wait)
    listened(cloud)
    cloud.create("web")
    news.tell(cloud.wire)
    told = answer.result(PATIENCE_SECONDS)
    assert {each["type"] for each in told.json()["events"]} == {"activity", "operation"}
    assert told.headers["X-RateLimit-Remaining"]


def test_nothing_is_lost_from_one_time_to_the_next(alice, crowd, cloud):
    """However the moments fall: each one is told in turn."""
    names = [f"web-{number}" for number in range(12)]

    def follow():
        told = []
        while len(told) < len(names):
            answer = alice.wait().json()
            alice.after = answer["after"]
            told += [
                each["activity"]["target_name"] for each in answer["events"] if "activity" in each
            ]
        return told

    answer = crowd.submit(follow)
    for name in names:
        cloud.create(name)
        news.tell(cloud.wire)
    assert answer.result(PATIENCE_SECONDS) == names


def test_who_waits_holds_no_thread(web, alice, crowd, cloud):
    bob, rita = Reader(web, "bob", "red"), Reader(web, "rita", "red")
    answers = [
        crowd.submit(each.wait)
        for each in (alice, bob, rita)
        for _ in range(waiting.MOST_PER_ACCOUNT)
    ]
    listened(cloud)
    assert len(answers) > 2 * THREADS
    began = time.monotonic()
    assert alice.ask().status_code == 200
    assert time.monotonic() - began < 30, "while all of them waited"
    assert not all(each.done() for each in answers)
    cloud.create("web")
    news.tell(cloud.wire)
    assert all(each.result(PATIENCE_SECONDS).json()["events"] for each in answers)


def test_one_account_has_so_many_places_and_the_oldest_is_answered(alice, crowd, cloud):
    first = crowd.submit(alice.wait)
    listened(cloud)
    others = [crowd.submit(alice.wait) for _ in range(waiting.MOST_PER_ACCOUNT)]
    done = [first, *others]
    answer = next(as_completed(done, timeout=PATIENCE_SECONDS)).result()
    assert (answer.status_code, answer.json()["events"]) == (200, [])
    cloud.create("web")
    news.tell(cloud.wire)
    assert (
        sum(bool(each.result(PATIENCE_SECONDS).json()["events"]) for each in done) == len(done) - 1
    )


def test_news_of_others_wakes_nobody_for_nothing(web, alice, crowd, cloud):
    charlie = Reader(web, "charlie", "blue")
    answer = crowd.submit(charlie.wait)
    listened(cloud)
    cloud.create("web")
    news.tell(cloud.wire)
    cloud.create("web", by="charlie", project="blue")
    news.tell(cloud.wire)
    told = answer.result(PATIENCE_SECONDS).json()["events"]
    assert {each[each["type"]]["target_name"] for each in told} == {"web"}
    assert len(told) == 2


def test_waiting_ends_with_nothing_when_there_is_nothing(alice):
    answer = alice.wait(1)
    assert (answer.status_code, answer.json()) == (200, {"events": [], "after": alice.after})


def test_a_large_request_is_answered_at_once_and_not_kept(alice):
    """Kept for all who may wait, its bytes would fill the memory."""
    query = {"after": alice.after, "wait": 30}
    body = b" " * waiting.LARGEST
    answer = requests.get(alice.url, params=query, headers=alice.headers, data=body, timeout=20)
    assert (answer.status_code, answer.json()) == (200, {"events": [], "after": alice.after})


def test_a_client_that_is_gone_waits_no_longer(web, alice, cloud):
    stream = socket.create_connection(("127.0.0.1", web.port))
    head = f"GET {EVENTS}?after={alice.after}&wait=30 HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\n"
    stream.sendall(f"{head}X-Auth-Token: {alice.headers['X-Auth-Token']}\r\n\r\n".encode())
    listened(cloud)
    stream.close()
    cloud.create("web")
    news.tell(cloud.wire)
    assert alice.wait().json()["events"]


def test_what_is_sent_meanwhile_is_the_next_request(web, alice, cloud):
    head = f"GET {EVENTS}?after={alice.after}&wait=1 HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\n"
    one = f"{head}X-Auth-Token: {alice.headers['X-Auth-Token']}\r\n\r\n".encode()
    health = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", web.port), timeout=PATIENCE_SECONDS) as stream:
        stream.sendall(one)
        listened(cloud)
        stream.sendall(health.encode())
        said = b""
        while part := stream.recv(65_536):
            said += part
    assert said.count(b"HTTP/1.1 200") == 2
    assert said.index(b'"events"') < said.rindex(b"HTTP/1.1 200")


def test_a_token_that_has_ended_meanwhile_is_told_so(web, alice, crowd, cloud):
    answer = crowd.submit(alice.wait)
    listened(cloud)
    requests.delete(
        web.url + TOKENS,
        headers=alice.headers | {"X-Subject-Token": alice.headers["X-Auth-Token"]},
        timeout=20,
    )
    cloud.create("web")
    news.tell(cloud.wire)
    assert answer.result(PATIENCE_SECONDS).status_code == 401


def test_a_process_that_ends_answers_who_waits(web, alice, crowd, cloud):
    answer = crowd.submit(alice.wait)
    listened(cloud)
    web.process.terminate()
    assert answer.result(PATIENCE_SECONDS).json()["events"] == []
    web.process.wait(PATIENCE_SECONDS)


def test_the_program_that_help_shows_does_what_it_says(web, alice, cloud):
    page = requests.get(f"{web.url}/help/api", timeout=20).text
    program = shown(page)["Program that follows events"]
    environment = {"PORTICO_URL": web.url, "TOKEN": alice.headers["X-Auth-Token"]}
    follower = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        listened(cloud)
        cloud.create("web")
        news.tell(cloud.wire)
        said = {follower.stdout.readline().split(maxsplit=1)[1] for _ in range(2)}
    finally:
        follower.kill()
        follower.communicate()
    assert said == {"instances:create web\n", "create web\n"}
    assert len(program.splitlines()) <= 10


def test_news_that_came_while_it_was_asked_for_is_not_missed(cloud):
    told = threading.Event()
    heard = waiting.News(config.current().redis, lambda those: told.set())
    assert not heard.since(heard.number, "red")
    before = heard.number
    heard._note({"red"})
    assert heard.since(before, "red")
    assert not heard.since(before, "blue")
    heard._note(None)
    assert heard.since(before, "blue")
    assert not heard.since(heard.number, "red")
