"""A table: which jobs a change consists of, in which order, and how long it may take.

The stages of a change run one after the other, the jobs of a stage side by side. This module is
pure: it says what, `portal.services.operations` writes it down.
"""

import dataclasses
from datetime import timedelta


@dataclasses.dataclass(frozen=True)
class Step:
    """One job of a plan."""

    job: str  # a name in workers.jobs.JOBS
    about: str  # of the target: "instance", "image", "fetch", "networks", "firewall", "host"


IMAGE = Step("images.apply", "image")
NETWORKS = Step("networks.apply", "networks")
FIREWALL = Step("firewall.apply", "firewall")
INSTANCE = Step("instances.apply", "instance")
GONE = Step("instances.remove", "instance")
FETCH = Step("fetches.apply", "fetch")
NO_FETCH = Step("fetches.remove", "fetch")
NETWORK_GONE = Step("networks.remove", "networks")
STRANGERS_GONE = Step("strangers.remove", "host")

BUILD = ((IMAGE, NETWORKS, FIREWALL), (INSTANCE,))

PLANS = {
    ("instances", "create"): BUILD,
    ("instances", "start"): ((NETWORKS, FIREWALL), (INSTANCE,)),
    ("instances", "stop"): ((INSTANCE,),),
    ("instances", "force_stop"): ((INSTANCE,),),
    ("instances", "reboot"): ((NETWORKS, FIREWALL), (INSTANCE,)),
    ("instances", "repair"): BUILD,
    ("instances", "delete"): ((GONE,), (NETWORKS, FIREWALL)),
    ("images", "fetch"): ((FETCH,),),
    ("images", "delete"): ((NO_FETCH,),),  # of one that is not there yet
    ("networks", "repair"): ((NETWORKS,),),
    ("networks", "update"): ((NETWORKS,),),
    ("networks", "delete"): ((NETWORK_GONE,),),
    ("hosts", "repair"): ((FIREWALL,),),
    ("hosts", "update"): ((FIREWALL,),),
    ("hosts", "clean"): ((STRANGERS_GONE,),),
}

DEADLINES = {  # from the moment a change is asked for until it has ended, whatever happens
    "create": timedelta(minutes=30),  # an image may have to be copied first
    "fetch": timedelta(minutes=60),  # at 200 KiB a second 700 MiB take as long
    "start": timedelta(minutes=5),
    "stop": timedelta(minutes=5),
    "force_stop": timedelta(minutes=3),
    "reboot": timedelta(minutes=6),
    "repair": timedelta(minutes=30),
    "update": timedelta(minutes=30),
    "delete": timedelta(minutes=5),
    "clean": timedelta(minutes=5),
}

LONG_JOBS = {"images.apply", "fetches.apply"}  # they go on the host's long queue

TABLE_KINDS = {  # jobs that carry the whole table of a scope
    "networks.apply": "network",
    "networks.remove": "network",
    "firewall.apply": "firewall",
}
