"""What OpenStack has not: below /portico."""
