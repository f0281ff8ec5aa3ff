"""Programs of the cast."""

import pytest

from portal import config, create_app
from tests.programs import Program


@pytest.fixture
def app(cloud):
    return create_app(config.current())


@pytest.fixture
def program(app):
    """Makes programs: `program("bob", "red")`; without a name, nobody's."""
    return lambda name="", scope="": Program(app).sign_in(name, scope) if name else Program(app)


@pytest.fixture
def alice(program):
    return program("alice", "red")
