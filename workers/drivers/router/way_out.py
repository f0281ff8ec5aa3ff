"""The host's side of every network's way out: forwarding, and one table of nftables."""

from workers.config import HostConfig
from workers.drivers.network import links, resolvers
from workers.drivers.nft import Ruleset
from workers.drivers.router import nat_rules


class WayOut:
    """What the networks of a host share to reach the world; see `nat_rules`."""

    def __init__(self, config: HostConfig):
        self._outside = Ruleset(
            tables=(("ip", "portico_outside"),),
            record=config.state_directory / "tables" / "outside.kernel.json",
        )

    def ensure(self) -> None:
        """The host passes on what gateways send, and gives it its own address."""
        links.ensure_sysctl("ipv4/ip_forward", 1)
        self._outside.ensure(
            nat_rules.outside_rules(
                resolvers=resolvers.remote(), loopback_resolver=resolvers.loopback()
            )
        )

    def stands(self) -> bool:
        """Whether the kernel still holds the table as it was applied."""
        return self._outside.held() is not None

    def remove(self) -> None:
        """The host passes on nothing of any network any more. For one that goes out of service."""
        self._outside.remove()
