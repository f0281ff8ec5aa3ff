"""What follows from an instance's intent and fact is the same in Python and in SQL."""

import itertools

from sqlalchemy import create_engine, text

from portal.db import now
from portal.models import Instance, Power, Status
from portal.models.instance import UNSETTLED
from portal.services import instances

COLUMNS = (
    "desired",
    "observed",
    "generation",
    "observed_generation",
    "boots",
    "observed_boots",
    "deleted_at",
)


def test_the_index_of_the_unsettled_holds_exactly_what_is_not_settled():
    moment = now()
    numbers = [(1, 0), (1, 1), (1, 2)]
    engine = create_engine("sqlite://")
    parameters = ", ".join(f":{column} AS {column}" for column in COLUMNS)
    query = text(f"SELECT {UNSETTLED} FROM (SELECT {parameters})")
    with engine.connect() as connection:
        for desired, observed, generations, boots, deleted_at in itertools.product(
            Power, Power, numbers, numbers, (None, moment)
        ):
            facts = (desired, observed, *generations, *boots, deleted_at)
            row = dict(zip(COLUMNS, facts, strict=True))
            settled = Instance(**row).settled
            stored = row | {"deleted_at": deleted_at and deleted_at.isoformat()}
            assert bool(connection.scalar(query, stored)) is not settled, row
    engine.dispose()


def test_what_a_dark_host_never_built_is_not_called_deleted_before_the_host_says_so(cloud):
    cloud.silent.add("kvm-1")
    instance = cloud.create("web")
    place = (cloud.actor("alice"), instance.project_id, instance.id)
    instances.delete(*place)
    cloud.turn()
    cloud.clock.forward(minutes=6)
    cloud.turn()
    instance = cloud.see(instance)
    assert instance.status is Status.DELETE_WAITING
    assert instance.may("delete")
    cloud.silent.clear()
    cloud.clock.forward(minutes=1)
    cloud.settle()
    assert cloud.see(instance).status is Status.DELETED
