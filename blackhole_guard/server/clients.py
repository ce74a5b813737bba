"""Who a message comes from: its address as octets, and the sources that are never answered.

A forged source can make two servers answer each other for ever. What answers anything, or cannot be a client, gets
nothing (CVE-2024-2169 is one such loop).
"""

import socket

# echo, discard, daytime, qotd, chargen, time: they answer whatever comes, or never. 0: nobody can be sent to there.
UNANSWERED_PORTS = frozenset((0, 7, 13, 17, 19, 37))
_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96 (RFC 4291 section 2.5.5.2)
_BROADCAST = b"\xff" * 4
_UNSPECIFIED = bytes(16)


def pack_address(text: str) -> bytes:
    """Turn an address, as the socket module writes it, into 4 or 16 octets; an IPv4-mapped one is unmapped."""
    if ":" not in text:
        return socket.inet_pton(socket.AF_INET, text)
    return unmap_address(socket.inet_pton(socket.AF_INET6, text.partition("%")[0]))


def unmap_address(octets: bytes) -> bytes:
    """Turn an IPv4-mapped address, as a socket for both families has it, into the IPv4 address; leave others."""
    return octets[12:] if len(octets) == 16 and octets.startswith(_MAPPED) else octets


def find_drop_reason(source: bytes, port: int) -> str | None:
    """Name the reason (of roles.DROP_REASONS) not to answer a datagram from there; None: answer it."""
    if port in UNANSWERED_PORTS:
        return "source_port"
    first = source[0]
    if len(source) == 4:
        # 0.0.0.0/8 and 224.0.0.0/4 (RFC 1122 section 3.2.1.3): nobody's address, or many's.
        return "source_address" if first == 0 or 224 <= first <= 239 or source == _BROADCAST else None
    return "source_address" if first == 0xFF or source == _UNSPECIFIED else None


def group_client(source: bytes) -> bytes:
    """What counts as one client in limits: an IPv4 address, or an IPv6 /64, where one machine has all addresses."""
    return source if len(source) == 4 else source[:8]
