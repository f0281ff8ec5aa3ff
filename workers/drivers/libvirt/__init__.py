"""Guests as domains of libvirt: how they are defined, how they start and stop, what they say."""
