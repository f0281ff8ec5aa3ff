"""Instances and what goes with them, which clients call servers (Nova v2.1)."""
