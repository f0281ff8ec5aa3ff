"""What changes of an instance consist of."""

from datetime import timedelta

from portal.changes.change import OWN_WORK, Change, Step
from portal.changes.firewall import FILTER
from portal.changes.images import COPY
from portal.changes.networks import TABLE, TABLE_GONE

NOUN = "instances"

MAKE = Step("instances.apply", "Set up the guest")
START = Step(MAKE.job, "Start the guest")
SHUT_DOWN = Step(MAKE.job, "Shut down the guest")
SWITCH_OFF = Step(MAKE.job, "Switch off the guest")
RESUME = Step(MAKE.job, "Let the guest go on")
BOOT_AGAIN = Step(MAKE.job, "Shut down the guest, and boot it again")
GONE = Step("instances.remove", "Remove the guest")

BUILD = ((COPY, TABLE, FILTER), (MAKE,))
POWER = frozenset({"start", "stop", "force_stop", "reboot", "resume"})

CHANGES = {
    "create": Change(stages=BUILD, deadline=timedelta(minutes=30)),  # an image may be copied first
    "start": Change(stages=((TABLE, FILTER), (START,)), deadline=timedelta(minutes=5)),
    "stop": Change(stages=((SHUT_DOWN,),), deadline=timedelta(minutes=5)),
    "force_stop": Change(
        stages=((SWITCH_OFF,),),
        deadline=timedelta(minutes=3),
        supersedes=OWN_WORK | {"stop", "reboot", "resume"},
    ),
    "reboot": Change(stages=((TABLE, FILTER), (BOOT_AGAIN,)), deadline=timedelta(minutes=6)),
    "resume": Change(stages=((RESUME,),), deadline=timedelta(minutes=2)),
    "repair": Change(stages=BUILD, deadline=timedelta(minutes=30)),
    "delete": Change(
        stages=((GONE,), (TABLE, TABLE_GONE, FILTER)),
        deadline=timedelta(minutes=5),
        supersedes=OWN_WORK | POWER | {"create"},
    ),
}
