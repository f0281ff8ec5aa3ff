"""Networks and what goes with them (Neutron v2.0)."""
