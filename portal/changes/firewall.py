"""The filter of a host, as changes of other nouns bring it up to date."""

from portal.changes.change import Step

FILTER_TABLE = "firewall"  # a kind of tables

FILTER = Step("firewall.apply", "Set up the filter")
