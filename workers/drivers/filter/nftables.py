"""The filter of a host in its kernel: one table for all guests, replaced as a whole."""

import logging
import subprocess
from pathlib import Path

from workers import specs
from workers.config import HostConfig
from workers.drivers import nft, records
from workers.drivers.filter import conntrack, firewall_rules
from workers.drivers.filter.firewall_rules import Limits
from workers.drivers.filter.readable import readable
from workers.drivers.nft import Ruleset
from workers.specs import FirewallSpec, Held

log = logging.getLogger(__name__)

CONNECTIONS_MOST = Path("/proc/sys/net/netfilter/nf_conntrack_max")
RAISE = "Look at what it does; if that is well, have more let through by the host's setting"
ROOM_LEAST = 65_536
BRIDGE_SETTINGS = Path("/proc/sys/net/bridge")


class NftFirewall:
    """See `drivers.Firewall`.

    When a rule, a member or a port goes, the connections that it allowed end: see `conntrack`.
    The others go on, and no packet is lost while a table takes the place of another.
    """

    def __init__(self, config: HostConfig):
        self._config, directory = config, config.state_directory / "tables"
        self._applied = directory / "firewall.json"
        self._guard = Ruleset(
            tables=(("bridge", "portico_guard"), ("inet", "portico_guard")),
            record=directory / "guard.kernel.json",
        )
        self._filter = Ruleset(
            tables=(("bridge", "portico"), ("inet", "portico")),
            record=directory / "firewall.kernel.json",
        )

    def ensure_base(self) -> None:
        """Nothing passes from or to a device named ptap*, unless a table says so.

        To be called before any guest may start. Raises RuntimeError on a kernel without
        br_netfilter."""
        _ensure_bridges_can_call_the_filter()
        self._guard.ensure(firewall_rules.GUARD)

    def ensure_firewall(self, spec: FirewallSpec) -> None:
        self.ensure_base()
        spec, unreadable = readable(spec)
        before = self._last_judged()
        if before == spec and self.observe_firewall():
            return
        text = firewall_rules.ruleset(spec, _limits(self._config))
        # forgotten before the change: a kill in between must not leave old connections unjudged
        records.remove(self._applied)
        remarks = {"id": spec.id, "generation": spec.generation, "unreadable": list(unreadable)}
        self._filter.ensure(text, **remarks)
        if before is None or conntrack.narrows(before, spec):
            self._forget_refused(before, spec)
        records.write(self._applied, specs.dump(spec))

    def restore(self) -> bool:
        """The kernel filters by the table that was applied last, as this version words it, should
        somebody have taken it away: first nothing passes, then what may. Returns whether somebody
        had."""
        guarded = self._guard.held() is not None or self._guard.remembered() is None
        self.ensure_base()
        spec, remarks = self._last_judged(), self._filter.remembered()
        if spec is None or remarks is None:
            return not guarded
        taken = self._filter.held() is None
        self._filter.ensure(firewall_rules.ruleset(spec, _limits(self._config)), **remarks)
        if taken:
            self._forget_refused(spec, spec)  # what began meanwhile
        return taken or not guarded

    def observe_firewall(self) -> tuple[Held, ...]:
        held = self._filter.held()
        if held is None or self._guard.held() is None or not self._applied.exists():
            return ()
        unreadable = tuple(held.get("unreadable", ()))  # the record may be an older version's
        return (
            Held(
                kind="firewall",
                id=held["id"],
                generation=held["generation"],
                unreadable=unreadable,
            ),
        )

    def observe_crowds(self) -> tuple[tuple[str, str], ...]:
        spec = self._last_judged()
        if not spec or not self._filter.held():
            return ()
        limits = _limits(self._config)
        ports, projects = (
            set(map(_number, nft.elements(f"inet portico crowded_{each}")))
            for each in ("ports", "projects")
        )
        whose = {firewall_rules.project_mark(each.project): each.project for each in spec.ports}
        return tuple(
            (
                f"the guest with {', '.join(port.addresses)} (port {port.id}) had all the "
                f"{limits.port} connections that a port may have, and began more",
                f"{RAISE} connections_per_port",
            )
            for port in spec.ports
            if port.number in ports
        ) + tuple(
            (
                f"the guests of project {whose[mark]} had all the {limits.project} connections "
                "that a project may have on this host, and began more",
                f"{RAISE} connections_per_project",
            )
            for mark in sorted(projects & whose.keys())
        )

    def remove(self) -> None:
        """Nothing of ours filters any more. For a host that is taken out of service."""
        records.remove(self._applied)
        self._filter.remove()
        self._guard.remove()

    def ports(self) -> tuple[str, ...]:
        """Id of each port that the table lets speak."""
        spec = self._last_judged()
        return tuple(port.id for port in spec.ports) if spec else ()

    def _last_judged(self) -> FirewallSpec | None:
        """The table that was applied last, if all connections were judged by it."""
        try:
            return specs.load(FirewallSpec, records.read(self._applied))
        except ValueError:
            return None

    def _forget_refused(self, before: FirewallSpec | None, spec: FirewallSpec) -> None:
        segments = {port.segment_id for port in spec.ports}
        zones = set(firewall_rules.zones_of(segments).values())
        if before is None:
            zones = set(range(1, firewall_rules.ZONES + 1))  # whatever was there before
        else:
            gone = {port.segment_id for port in before.ports}
            zones |= set(firewall_rules.zones_of(gone).values())
        if count := conntrack.forget_refused(spec, zones=zones):
            log.info("firewall %s: %d connections are no longer allowed", spec.generation, count)


def _number(element: str) -> int:
    """Of an element of a set of marks, whatever is said with it."""
    return int(element.split()[0], 0)


def _limits(config: HostConfig) -> Limits:
    try:
        room = int(CONNECTIONS_MOST.read_text())
    except FileNotFoundError:  # the module is loaded with the first table
        room = ROOM_LEAST
    return Limits(
        port=min(config.connections_per_port, room // 8),
        project=min(config.connections_per_project, room // 4),
    )


def _ensure_bridges_can_call_the_filter() -> None:
    """A bridge of ours may hand its frames to the IPv4 hooks; all other bridges stay as they are.

    Loading the module would make every bridge of the machine do so: that is turned off again."""
    if not BRIDGE_SETTINGS.exists():
        subprocess.run(
            ["modprobe", "--", "br_netfilter"], check=False, capture_output=True, timeout=60
        )
        if not BRIDGE_SETTINGS.exists():
            raise RuntimeError("the kernel has no br_netfilter: guests cannot be filtered")
        for family in ("iptables", "ip6tables", "arptables"):
            (BRIDGE_SETTINGS / f"bridge-nf-call-{family}").write_text("0")
