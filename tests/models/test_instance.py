"""What follows from an instance's intent and fact is the same in Python and in SQL."""

import itertools

from sqlalchemy import create_engine, text

from portal.db import now
from portal.models import Instance, Power
from portal.models.instance import UNSETTLED

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
