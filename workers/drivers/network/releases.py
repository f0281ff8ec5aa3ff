"""DHCPRELEASE in the name of guests that are gone, RFC 2131.

A guest that was destroyed has given nothing back, and dnsmasq gives an address that it has leased
to one MAC to no other until the lease has ended, whatever its files say by then.
"""

import ipaddress
import socket
import struct

REQUEST, ETHERNET, RELEASE = 1, 1, 7
OPTION_TYPE, OPTION_SERVER, OPTIONS_END = 53, 54, 255  # RFC 2132
COOKIE = bytes((99, 130, 83, 99))
SERVER_PORT = 67


def release(leases: list[tuple[str, str, str]], *, device: str) -> None:
    """The server at the third of each MAC, address and server forgets that the MAC has the address.
    To be called inside the namespace of the server, which takes what we say for a message that
    came in by the device."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        for mac, address, server in leases:
            client.sendto(message(mac, address, server), (server, SERVER_PORT))


def message(mac: str, address: str, server: str) -> bytes:
    """The release of an address by the MAC that has it."""
    hardware = bytes.fromhex(mac.replace(":", ""))
    head = struct.pack("!4B8x4s12x16s192x", REQUEST, ETHERNET, 6, 0, _packed(address), hardware)
    options = bytes((OPTION_TYPE, 1, RELEASE, OPTION_SERVER, 4)) + _packed(server)
    return (head + COOKIE + options + bytes((OPTIONS_END,))).ljust(300, b"\0")


def _packed(address: str) -> bytes:
    return ipaddress.IPv4Address(address).packed
