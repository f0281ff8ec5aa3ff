"""Pages cost the same for few rows and for many: no list asks the database row by row."""

import contextlib
import dataclasses

import pytest
from sqlalchemy import event

from portal import config
from portal.db import now, session, transaction
from portal.models import Flavor, Host, Image, KeyPair, Role, RoleAssignment, User
from portal.services import instances, networks, projects
from tests.routes import routes

pytestmark = pytest.mark.xdist_group("house")  # one worker furnishes it

FEW, MANY = 5, 60
INSTANCE_LIST_MOST = 8  # statements


@contextlib.contextmanager
def statements():
    """The SQL that is sent meanwhile."""
    sent: list[str] = []

    def note(_connection, _cursor, statement, *_):
        sent.append(statement)

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def sent_by(house, route, name: str = "") -> list[str]:
    """What one visit of a page sends; the first visit is not counted, it may fill caches."""
    browser, path = house.browser(name or route.visitor), route.path(house.app, house.red)
    browser.open(path).close()
    with statements() as sent:
        answer = browser.open(path)
    answer.close()
    assert answer.status_code in (200, 303), path
    return sent


def grow(cloud, first: int, last: int) -> None:
    """Of everything that is listed somewhere there are so many more, numbered from `first`."""
    numbers = range(first, last)
    red, ada, alice = cloud.project("red"), cloud.actor("ada"), cloud.actor("alice")
    for begin in range(first, last, instances.MOST_AT_ONCE):
        count = min(instances.MOST_AT_ONCE, last - begin)
        cloud.observe()  # on a slow machine its host would soon be taken for silent
        instances.create(alice, cloud.new_instance(f"vm-{begin}", count=count))
    for number in numbers:
        projects.create(ada, f"project-{number}")
        networks.create(alice, red.id, f"net-{number}", f"10.1.{number}.0/24", nat=True)
    with transaction():
        for number in numbers:
            user = User(domain_id=red.domain_id, name=f"user-{number}", password_hash="")
            user.assignments.append(RoleAssignment(project_id=red.id, role=Role.READER))
            size = {"vcpus": 1, "memory_mib": 64 + number, "disk_gib": 1}
            image = {
                "format": "raw",
                "sha256": f"{number:064}",
                "size_bytes": 1,
                "virtual_size_bytes": 1,
                "project_id": red.id,
                "user_id": alice.user_id,
            }
            key = {"public_key": f"ssh-ed25519 {number}", "fingerprint": f"SHA256:{number}"}
            session.add_all(
                [
                    user,
                    Flavor(name=f"flavor-{number}", **size),
                    Image(name=f"image-{number}", **image),
                    KeyPair(name=f"key-{number}", user_id=ada.user_id, **key),
                    Host(name=f"host-{number}", sealed_key="", heard_at=now()),
                ]
            )


@pytest.fixture
def roomy(house):
    """The house, with quotas that let it be filled."""
    plenty = {
        field.name: 10**6
        for field in dataclasses.fields(config.Settings)
        if field.name.startswith("quota_")
    }
    config.use(dataclasses.replace(config.current(), **plenty))
    return house


def test_no_page_asks_more_for_many_rows_than_for_few(roomy):
    reading = [route for route in routes(roomy.app) if route.method == "GET"]
    grow(roomy.cloud, 0, FEW)
    few = {route.name: sent_by(roomy, route) for route in reading}
    grow(roomy.cloud, FEW, MANY)
    for route in reading:
        many = sent_by(roomy, route)
        assert len(many) == len(few[route.name]), "\n".join([route.name, *many[:40]])


def test_the_list_of_instances_takes_few_statements(roomy):
    [route] = [route for route in routes(roomy.app) if route.endpoint == "instances.index"]
    grow(roomy.cloud, 0, MANY)
    sent = sent_by(roomy, route, "alice")
    assert len(sent) <= INSTANCE_LIST_MOST, "\n".join(sent)
