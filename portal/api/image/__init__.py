"""What instances start from (Glance v2)."""
