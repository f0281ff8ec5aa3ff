"""What changes of a host consist of."""

from datetime import timedelta

from portal.changes.change import Change, Step

NOUN = "hosts"

STRANGERS_GONE = Step("strangers.remove", "Remove what belongs to nothing")

CHANGES = {"clean": Change(stages=((STRANGERS_GONE,),), deadline=timedelta(minutes=5))}
