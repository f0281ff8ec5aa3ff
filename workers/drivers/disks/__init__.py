"""Disks of guests as files: root disks in qcow2, config disks in ISO 9660."""
