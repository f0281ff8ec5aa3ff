"""What changes of a lamp consist of."""

from datetime import timedelta

from portal.changes.change import OWN_WORK, Change, Step

NOUN = "lamps"

LIT = Step("lamps.apply", "Light the lamp")
GONE = Step("lamps.remove", "Remove the lamp")

CHANGES = {
    "create": Change(stages=((LIT,),), deadline=timedelta(minutes=5)),
    "repair": Change(stages=((LIT,),), deadline=timedelta(minutes=5)),
    "delete": Change(
        stages=((GONE,),), deadline=timedelta(minutes=5), supersedes=OWN_WORK | {"create"}
    ),
}
