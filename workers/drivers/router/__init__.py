"""The way out of networks: routing and address translation."""
