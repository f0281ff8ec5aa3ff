"""What changes of an image consist of."""

from datetime import timedelta

from portal.changes.change import OWN_WORK, Change, Step

NOUN = "images"

COPY = Step("images.apply", "Copy the image to the host", long=True)
FETCH = Step("fetches.apply", "Fetch it from its publisher", long=True)
NO_FETCH = Step("fetches.remove", "Stop fetching it")

CHANGES = {
    # at 200 KiB a second 700 MiB take as long
    "fetch": Change(stages=((FETCH,),), deadline=timedelta(minutes=60)),
    "delete": Change(  # of one that is not there yet
        stages=((NO_FETCH,),),
        deadline=timedelta(minutes=5),
        supersedes=OWN_WORK | {"fetch"},
    ),
}
