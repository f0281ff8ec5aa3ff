"""A host with one network and a filter, and the tables that its tests apply."""

import itertools

from tests.workers.network_host import OUT, Guest, NetworkHost, firewall, group, network, opening
from workers.specs import FirewallSpec, GroupSpec, Held


class FilteredHost(NetworkHost):
    """Serves one network, `spec`, and filters what its guests say."""

    def __enter__(self):
        super().__enter__()
        self.generations = itertools.count(1)
        self.firewall.ensure_base()
        self.spec = network(5)
        self.network.ensure_network(self.spec)
        return self

    def pair(self) -> tuple[Guest, Guest]:
        """Two guests of one group, `default`: everything out, in only from each other."""
        web, db = self.guest(self.spec, "10.0.0.11"), self.guest(self.spec, "10.0.0.12")
        self.apply([web.port(1, "default"), db.port(2, "default")], default(web, db))
        return web, db

    def stranger(self) -> Guest:
        """A guest that no table knows yet."""
        return self.guest(self.spec, "10.0.0.13")

    def apply(self, ports, *groups: GroupSpec) -> FirewallSpec:
        """The kernel holds this newer table, and the driver says so."""
        spec = firewall(next(self.generations), ports, *groups)
        self.firewall.ensure_firewall(spec)
        assert self.firewall.observe_firewall() == (
            Held(kind="firewall", id=spec.id, generation=spec.generation),
        )
        return spec

    def forget_guests(self) -> None:
        """No guest is there, and the table is empty."""
        for guest in self.guests:
            guest.end()
        self.guests.clear()
        self.apply([])


def default(*members: Guest) -> GroupSpec:
    """Everything out, in only from each other."""
    inward = opening("", remote_group="default")
    return group("default", OUT, inward, members=[each.member() for each in members])
