"""Programs of the cast."""

import dataclasses

import pytest

from portal import config, create_app
from portal.api import microversions
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


@pytest.fixture(scope="module", autouse=True)
def every_version():
    """Compute is spoken in all versions that any of its routes knows, more than are offered."""
    served = microversions.RANGES["compute"]
    most = max(served.most, microversions.Version(2, 96))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(microversions.RANGES, "compute", dataclasses.replace(served, most=most))
        yield
