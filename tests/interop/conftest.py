"""A cloud that runs, with fake hosts, for clients that know nothing of it."""

import socket

import pytest

from tests.interop.__main__ import HOSTS, SETTINGS
from tests.stack import PASSWORD, Stack


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="package")
def stack(tmp_path_factory):
    """Everything runs; `admin` may sign in with PASSWORD."""
    stack = Stack(tmp_path_factory.mktemp("stack"), free_port(), HOSTS, SETTINGS)
    stack.prepare()
    try:
        stack.start()
        yield stack
    finally:
        if stack.supervisor:
            stack.stop()


@pytest.fixture
def environment(stack) -> dict[str, str]:
    """What a person sources before a client is started."""
    return {
        "OS_AUTH_URL": f"{stack.url}/identity/v3",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": "home",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_IDENTITY_API_VERSION": "3",
    }
