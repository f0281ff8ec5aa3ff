"""What changes of a project consist of: it goes with all that it has."""

from datetime import timedelta

from portal.changes.change import Change
from portal.changes.firewall import FILTER
from portal.changes.instances import GONE
from portal.changes.networks import TABLE_GONE

NOUN = "projects"

CHANGES = {
    "delete": Change(stages=((GONE,), (TABLE_GONE, FILTER)), deadline=timedelta(minutes=20)),
}
