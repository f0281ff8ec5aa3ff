"""What changes of a network consist of, and the tables that hosts hold for it."""

from datetime import timedelta

from portal.changes.change import Change, Step

NOUN = "networks"
NETWORK_TABLE, FILTER_TABLE = "networks", "firewall"  # kinds of tables

TABLE = Step("networks.apply", "Set up the network")
TABLE_GONE = Step("networks.remove", "Take down the network")
FILTER = Step("firewall.apply", "Set up the filter")

CHANGES = {"delete": Change(stages=((TABLE_GONE,),), deadline=timedelta(minutes=5))}
