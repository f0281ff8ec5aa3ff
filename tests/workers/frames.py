"""Frames as bytes, true and false ones."""

import socket
import struct

ETH_P_IP, ETH_P_ARP = 0x0800, 0x0806
DHCP_DECLINE = 4
EVERYBODY = "ff:ff:ff:ff:ff:ff"


def ethernet(source: str, destination: str, kind: int, payload: bytes) -> bytes:
    return _mac(destination) + _mac(source) + struct.pack("!H", kind) + payload


def arp(sender_mac: str, sender: str, target: str, *, operation: int = 2) -> bytes:
    """An ARP message: a reply by default, RFC 826."""
    return (
        struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, operation)
        + _mac(sender_mac)
        + socket.inet_aton(sender)
        + b"\0" * 6
        + socket.inet_aton(target)
    )


def udp(source: str, destination: str, source_port: int, port: int, content: bytes) -> bytes:
    """An IPv4 packet with a UDP datagram, without the latter's optional sum (RFC 768)."""
    datagram = struct.pack("!HHHH", source_port, port, 8 + len(content), 0) + content
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0)
    header += socket.inet_aton(source) + socket.inet_aton(destination)
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return header[:10] + struct.pack("!H", ~total & 0xFFFF) + header[12:] + datagram


def dhcp(kind: int, client: str, address: str, server: str) -> bytes:
    """A message of a DHCP client about an address that it was given, RFC 2131."""
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, 0x1234, 0, 0) + bytes(16) + _mac(client)
    options = bytes([53, 1, kind, 50, 4]) + socket.inet_aton(address)
    options += bytes([54, 4]) + socket.inet_aton(server) + b"\xff"
    return head.ljust(236, b"\0") + b"\x63\x82\x53\x63" + options


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
