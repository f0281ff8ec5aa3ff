"""The tables of hosts: what shall be on them is counted, also when many count at once."""

import uuid

from sqlalchemy import select

from portal.changes.networks import NETWORK_TABLE
from portal.db import session, transaction
from portal.models import Scope
from portal.services import scopes
from tests.cloud import host_row
from tests.crowd import at_once


def test_no_revision_is_lost_when_many_raise_one_table(any_cloud):
    any_cloud.add_host("kvm-1")
    network_id = uuid.uuid4()
    with transaction():
        session.add(Scope(host_id=host_row().id, kind=NETWORK_TABLE, target_id=network_id))

    def raise_it(_number: int) -> None:
        with transaction():
            scopes.want(scopes.at([(host_row().id, NETWORK_TABLE, network_id)]))

    assert at_once(20, raise_it) == {"done": 20}
    scope = session.scalars(select(Scope).where(Scope.kind == NETWORK_TABLE)).one()
    assert scope.wanted == 20
