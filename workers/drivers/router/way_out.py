"""The host's side of every network's way out: forwarding, and one table of nftables."""

from pathlib import Path

from workers.config import HostConfig
from workers.drivers import mending
from workers.drivers.network import records, resolvers
from workers.drivers.nft import Ruleset
from workers.drivers.router import beside, nat_rules

FORWARDS = Path("/proc/sys/net/ipv4/ip_forward")


class WayOut:
    """What the networks of a host share to reach the world; see `nat_rules`."""

    def __init__(self, config: HostConfig):
        self._config = config
        nat_rules.lay_in(config.transit_range)
        self._outside = Ruleset(
            tables=(("ip", "portico_outside"),),
            record=config.state_directory / "tables" / "outside.kernel.json",
        )

    def ensure(self) -> bool:
        """The host passes on what gateways send, and gives it its own address; not to what stands
        beside it now. Called again it follows its routes and resolvers. Returns whether somebody
        had taken away what was there."""
        taken = self._outside.remembered() is not None and not self.stands()
        if not _forwards():
            FORWARDS.write_text("1")
        refused = (*beside.NEVER, *beside.subnets(), *self._config.outside_refused)
        self._outside.ensure(
            nat_rules.outside_rules(
                resolvers=resolvers.remote(),
                lent_resolver=resolvers.lent(),
                refused=beside.collapsed(refused),
                allowed=beside.collapsed(self._config.outside_allowed),
            )
        )
        return taken

    def stands(self) -> bool:
        """Whether the host passes on, and its kernel still holds the table as it was applied."""
        return _forwards() and self._outside.held() is not None

    def remove(self) -> None:
        """The host passes on nothing of any network any more. For one that goes out of service."""
        self._outside.remove()


def follow(config: HostConfig) -> None:
    """The way out of the networks that this host holds is as its own routes, resolvers and
    settings want it now; to be called every few seconds."""
    known = (records.read(config, each) for each in records.ids(config))
    served = any(record and record.held and record.spec.nat for record in known)
    if served and WayOut(config).ensure():
        mending.note(config, "the way out of networks")


def obstacle() -> tuple[str, str] | None:
    """That somebody has turned forwarding off, until it is turned on again."""
    if _forwards():
        return None
    return (
        "the kernel passes on nothing that guests send: forwarding is off",
        "sysctl -w net.ipv4.ip_forward=1",
    )


def _forwards() -> bool:
    return FORWARDS.read_text().strip() == "1"
