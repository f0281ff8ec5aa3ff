"""Lamps of a fake host are rows."""

from workers.drivers.fake.state import FakeHost
from workers.specs import LampSpec


class FakeLamps:
    """See `drivers.Lamps`."""

    def __init__(self, host: FakeHost):
        self._host = host

    def ensure_lamp(self, spec: LampSpec) -> None:
        self._host.call("ensure_lamp")
        self._host.put("lamp", spec.id, {"colour": spec.colour})

    def remove_lamp(self, lamp_id: str) -> None:
        self._host.call("remove_lamp")
        self._host.drop("lamp", lamp_id)

    def observe_lamps(self) -> tuple[tuple[str, str], ...]:
        self._host.call("observe_lamps")
        return tuple((each, lamp["colour"]) for each, lamp in self._host.every("lamp").items())
