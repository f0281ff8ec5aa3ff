"""What changes of a network consist of, and the table that hosts hold for it."""

from datetime import timedelta

from portal.changes.change import Change, Step

NOUN = "networks"
NETWORK_TABLE = "networks"  # a kind of tables

TABLE = Step("networks.apply", "Set up the network")
TABLE_GONE = Step("networks.remove", "Take down the network")

CHANGES = {"delete": Change(stages=((TABLE_GONE,),), deadline=timedelta(minutes=5))}
