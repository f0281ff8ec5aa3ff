"""The table of contents of the boundary: what a host does for the portal, and nothing else.

A job is a function from the host's drivers and a complete spec to an observation. It does not
do steps, it makes things so: run twice it changes nothing, killed anywhere and run again it ends
in the same place. One law-test proves it for everything listed here.
"""

from workers.jobs import fetches, firewall, hosts, images, instances, networks, strangers
from workers.specs import (
    BootLogSpec,
    FetchSpec,
    FirewallSpec,
    ImageSpec,
    InstanceSpec,
    NetworkSpec,
    ObserveSpec,
    StrangersSpec,
)

JOBS = {
    "hosts.observe": (hosts.observe, ObserveSpec),
    "fetches.apply": (fetches.apply, FetchSpec),
    "fetches.remove": (fetches.remove, FetchSpec),
    "images.apply": (images.apply, ImageSpec),
    "instances.apply": (instances.apply, InstanceSpec),
    "instances.remove": (instances.remove, InstanceSpec),
    "instances.observe_log": (instances.observe_log, BootLogSpec),
    "networks.apply": (networks.apply, NetworkSpec),
    "networks.remove": (networks.remove, NetworkSpec),
    "firewall.apply": (firewall.apply, FirewallSpec),
    "strangers.remove": (strangers.remove, StrangersSpec),
}
