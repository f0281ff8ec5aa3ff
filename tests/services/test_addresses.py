"""Places on a network: nobody is given what somebody has."""

from sqlalchemy import select

from portal.db import session
from portal.models import Port, Subnet
from portal.services import addresses, instances


def test_a_mac_that_somebody_bears_is_not_given_again(cloud, monkeypatch):
    """Of 1,200 ports with 24 random bits, one time in twenty-five two are alike."""
    wish = cloud.new_instance(count=2)
    gateway = select(Subnet.gateway_mac).where(Subnet.network_id == wish.network_id)
    chance = iter(
        [session.scalar(gateway), "fa:16:3e:00:00:01", "fa:16:3e:00:00:01", "fa:16:3e:00:00:02"]
    )
    monkeypatch.setattr(addresses, "new_mac", lambda: next(chance))
    instances.create(cloud.actor("alice"), wish)
    macs = session.scalars(select(Port.mac).order_by(Port.mac)).all()
    assert macs == ["fa:16:3e:00:00:01", "fa:16:3e:00:00:02"]
