"""The filter of a host in its kernel: one table for all guests, replaced as a whole."""

import logging
import subprocess
from pathlib import Path

from workers import specs
from workers.config import HostConfig
from workers.drivers import records
from workers.drivers.filter import conntrack, firewall_rules
from workers.drivers.filter.readable import readable
from workers.drivers.nft import Ruleset
from workers.specs import FirewallSpec, Held

log = logging.getLogger(__name__)

BRIDGE_SETTINGS = Path("/proc/sys/net/bridge")


class NftFirewall:
    """See `drivers.Firewall`.

    When a rule, a member or a port goes, the connections that it allowed end: see `conntrack`.
    The others go on, and no packet is lost while a table takes the place of another.
    """

    def __init__(self, config: HostConfig):
        directory = config.state_directory / "tables"
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
        text = firewall_rules.ruleset(spec)
        # forgotten before the change: a kill in between must not leave old connections unjudged
        records.remove(self._applied)
        remarks = {"id": spec.id, "generation": spec.generation, "unreadable": list(unreadable)}
        self._filter.ensure(text, **remarks)
        if before is None or conntrack.narrows(before, spec):
            self._forget_refused(before, spec)
        records.write(self._applied, specs.dump(spec))

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
