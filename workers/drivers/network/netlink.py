"""Networks on a real host: bridges, namespaces, the way out. See `plan` for the drawing.

A host with a firewall of its own must let pass what these tables let pass: an accept here does
not outweigh a drop elsewhere, and the hooks for forwarded IPv4 see the frames of our bridges too.

The bridge of a guest's tap is remembered by files in the runtime directory, so that a bridge
that somebody deleted comes back with its guests plugged in:

    taps/<segment>/<tap>         what is to be plugged into the bridge
    ports/<guest>/<segment>.<tap>   whose it is; there before the other, and gone after it
"""

import contextlib
import dataclasses
import functools
import shutil
from pathlib import Path

from pyroute2 import IPRoute

from workers.config import HostConfig
from workers.drivers import mending, names
from workers.drivers.network import (
    dnsmasq,
    links,
    namespaces,
    other_firewalls,
    plan,
    records,
    resolvers,
    strangers,
)
from workers.drivers.network.records import Record
from workers.drivers.router import beside, nat_rules, way_out
from workers.drivers.router.way_out import WayOut
from workers.errors import Busy
from workers.specs import Held, InstanceSpec, NetworkSpec, Stranger


class NetlinkNetwork:
    """See `drivers.Network`."""

    def __init__(self, config: HostConfig):
        self._config = config
        nat_rules.lay_in(config.transit_range)
        self._way_out = WayOut(config)

    def ensure_network(self, spec: NetworkSpec) -> None:
        """Forwarding is on for the whole host as soon as a network has a way out."""
        plan.check(spec)
        spec, unreadable = plan.readable(spec)
        if spec.nat:
            self._way_out.ensure()
        record = records.read(self._config, spec.id)
        if not record or not self._stands(record, spec):
            self._make(record, spec)
            record = Record(spec=spec, signatures=_signatures([spec]))
        dnsmasq.ensure(self._config, spec)
        now = Record(spec=spec, held=True, signatures=record.signatures, unreadable=unreadable)
        if now != record:
            records.write(self._config, now)

    def remove_network(self, network_id: str) -> None:
        record = records.read(self._config, network_id)
        if record:  # from here on nobody starts its dnsmasq again
            records.write(self._config, Record(spec=record.spec))
        dnsmasq.remove(self._config, network_id)
        if record:
            segment = record.spec.segment_id
            with IPRoute() as route:
                for name in (
                    names.dhcp_leg(segment),
                    names.gateway_leg(segment),
                    names.outside_leg(segment),
                    names.bridge(segment),
                ):
                    links.remove(route, name)
            shutil.rmtree(self._taps(segment), ignore_errors=True)
        namespaces.remove(names.network_namespace(network_id))
        namespaces.remove(names.router_namespace(network_id))
        records.remove(self._config, network_id)

    def ensure_ports(self, spec: InstanceSpec) -> None:
        wanted = {port.id: plan.bridge(port.segment_id, port.mtu) for port in spec.ports}
        seen = links.seen(bridge.name for bridge in wanted.values())
        with IPRoute() as route:
            for port in spec.ports:
                bridge = wanted[port.id]
                if seen.get(bridge.name) != bridge:
                    links.ensure_bridge(route, bridge)
                for note in self._notes(spec.id, port.segment_id, names.tap(port.id)):
                    note.parent.mkdir(parents=True, exist_ok=True)
                    note.touch()
                links.plug(route, names.tap(port.id), bridge.name)
        self._forget_ports(spec.id, keep={(p.segment_id, names.tap(p.id)) for p in spec.ports})

    def remove_ports(self, spec: InstanceSpec) -> None:
        self._forget_ports(spec.id, keep=set())
        for port in spec.ports:  # of a guest that was made before there were notes of its ports
            (self._taps(port.segment_id) / names.tap(port.id)).unlink(missing_ok=True)

    def observe_networks(self) -> tuple[Held, ...]:
        known = (records.read(self._config, each) for each in records.ids(self._config))
        return self._healthy([record for record in known if record and record.held])

    def follow(self) -> None:
        """See `way_out.follow`."""
        way_out.follow(self._config)

    def observe_obstacles(self) -> tuple[tuple[str, str], ...]:
        serves = self._one_of_these()
        found = other_firewalls.observe(serves) + mending.told(self._config)
        more = (
            resolvers.obstacle(),
            beside.obstacle(nat_rules.transits()),
            way_out.obstacle() if serves and serves.nat else None,
        )
        return found + tuple(each for each in more if each)

    def _one_of_these(self) -> NetworkSpec | None:
        """A network that this host serves, one with a way out if there is any."""
        known = (records.read(self._config, each) for each in records.ids(self._config))
        specs = [record.spec for record in known if record and record.held]
        return next((each for each in specs if each.nat), specs[0] if specs else None)

    def observe_remembered(self) -> tuple[str, ...]:
        return records.ids(self._config)

    def observe_strangers(self) -> tuple[Stranger, ...]:
        return strangers.observe(self._config)

    def remove_stranger(self, stranger: Stranger) -> None:
        strangers.remove(self._config, stranger)

    def observe_network(self, network_id: str) -> tuple[Held, ...]:
        record = records.read(self._config, network_id)
        return self._healthy([record]) if record and record.held else ()

    def _healthy(self, held: list[Record]) -> tuple[Held, ...]:
        plans = {record.spec.id: plan.links(record.spec) for record in held}
        seen = links.seen(link.name for drawn in plans.values() for link in drawn)
        signatures = _signatures([record.spec for record in held])
        leads_out = self._way_out.stands()
        return tuple(
            Held(
                kind="networks",
                id=record.spec.id,
                generation=record.spec.generation,
                unreadable=record.unreadable,
            )
            for record in held
            if all(seen.get(link.name) == link for link in plans[record.spec.id])
            and all(signatures[name] == known for name, known in record.signatures.items())
            and (leads_out or not record.spec.nat)
            and dnsmasq.alive(self._config, record.spec)
        )

    def _stands(self, record: Record, spec: NetworkSpec) -> bool:
        """Whether all but dnsmasq is already as `spec` says."""
        if not record.held or _without_services(record.spec) != _without_services(spec):
            return False
        wanted = plan.links(spec)
        seen = links.seen(link.name for link in wanted)
        return all(seen.get(link.name) == link for link in wanted) and (
            _signatures([spec]) == record.signatures
        )

    def _make(self, record: Record | None, spec: NetworkSpec) -> None:
        self._refuse_taken_segment(spec)
        if record and record.spec.segment_id != spec.segment_id:
            self.remove_network(spec.id)
        records.write(self._config, Record(spec=spec))
        bridge = plan.bridge(spec.segment_id, spec.mtu)
        with IPRoute() as route:
            if links.ensure_bridge(route, bridge):
                for tap in _files(self._taps(spec.segment_id)):
                    links.plug(route, tap, bridge.name)
            if not spec.nat:
                links.remove(route, names.outside_leg(spec.segment_id))
            for namespace in plan.namespaces(spec):
                namespaces.ensure(namespace.name)
                for leg in namespace.legs:
                    links.ensure_leg(route, leg, namespace.name)
                namespaces.inside(namespace.name, functools.partial(links.ensure_inside, namespace))

    def _refuse_taken_segment(self, spec: NetworkSpec) -> None:
        """Two networks on one bridge would hear each other."""
        for network_id in records.ids(self._config):
            other = records.read(self._config, network_id)
            if other and network_id != spec.id and other.spec.segment_id == spec.segment_id:
                raise Busy(
                    f"network {network_id} still has segment {spec.segment_id}", after_seconds=5
                )

    def _forget_ports(self, instance_id: str, *, keep: set[tuple[int, str]]) -> None:
        """Of this guest's ports no others are remembered than these: segment and tap."""
        folder = self._config.runtime_directory / "ports" / instance_id
        for name in _files(folder):
            segment, _, tap = name.partition(".")
            if (int(segment), tap) not in keep:
                for note in reversed(self._notes(instance_id, int(segment), tap)):
                    note.unlink(missing_ok=True)
        if not keep:
            with contextlib.suppress(FileNotFoundError):
                folder.rmdir()

    def _notes(self, instance_id: str, segment_id: int, tap: str) -> tuple[Path, Path]:
        folder = self._config.runtime_directory / "ports" / instance_id
        return folder / f"{segment_id}.{tap}", self._taps(segment_id) / tap

    def _taps(self, segment_id: int) -> Path:
        return self._config.runtime_directory / "taps" / str(segment_id)


def _without_services(spec: NetworkSpec) -> NetworkSpec:
    """What bridge, namespaces and rules depend on: all that a new guest does not change."""
    return dataclasses.replace(spec, generation=0, leases=(), names=(), dns_domain="")


def _signatures(specs: list[NetworkSpec]) -> dict[str, str]:
    """Of the namespaces of these networks; empty for one that is not there."""
    wanted = [
        name
        for spec in specs
        for name in (names.network_namespace(spec.id), names.router_namespace(spec.id))
    ]
    seen = namespaces.inside_each(wanted, links.signature)
    return {name: signature or "" for name, signature in seen.items()}


def _files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []
