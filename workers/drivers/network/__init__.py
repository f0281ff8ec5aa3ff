"""Networks in the kernel: bridges, namespaces, DHCP and DNS, and what is in their way."""
