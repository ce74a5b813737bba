"""Frames and captures that are made, octet by octet: what `scan` is measured with, and what its tests are made of."""

from collections.abc import Iterable
from ipaddress import ip_address
from struct import pack

UDP, TCP = 17, 6
ETHERNET, SLL, SLL2, RAW, NULL = 1, 113, 276, 101, 0  # LINKTYPE_
PUBLIC_TAG, SERVICE_TAG = 0x8100, 0x88A8
SYN, ACK, FIN, RST = 0x02, 0x10, 0x01, 0x04


def query(
    name: bytes, qtype: int = 12, *, number: int = 1, flags: int = 0, opcode: int = 0, edns: bool = True
) -> bytes:
    """A query for a wire name, as a resolver that iterates asks it: RD=0, EDNS."""
    opt = b"\0" + pack("!HHIH", 41, 1232, 0x8000, 0) if edns else b""
    header = pack("!HHHHHH", number, flags | opcode << 11, 1, 0, 0, 1 if edns else 0)
    return header + name + pack("!HH", qtype, 1) + opt


def response(octets: bytes, *, rcode: int = 3, more: int = 0) -> bytes:
    """The response to a query without EDNS, NXDOMAIN mostly, and some octets of nothing behind it."""
    number, flags = octets[:2], int.from_bytes(octets[2:4])
    return number + pack("!HHHHH", 0x8400 | flags | rcode, 1, 0, 0, 0) + octets[12:] + bytes(more)


def udp(source_port: int, destination_port: int, payload: bytes) -> bytes:
    return pack("!HHHH", source_port, destination_port, 8 + len(payload), 0) + payload


def tcp(source_port: int, destination_port: int, sequence: int, flags: int, payload: bytes = b"") -> bytes:
    return (
        pack("!HHIIBBHHH", source_port, destination_port, sequence & 0xFFFFFFFF, 0, 5 << 4, flags, 65535, 0, 0)
        + payload
    )


def ip(
    source: str, destination: str, protocol: int, payload: bytes, *, fragment: int = 0, extensions: bytes = b""
) -> bytes:
    """An IP packet.

    Args:
        fragment: the word of flags and offset of IPv4.
        extensions: headers of IPv6, whose first is a destination options header.
    """
    ours, theirs = ip_address(source).packed, ip_address(destination).packed
    if len(ours) == 4:
        return pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, fragment, 64, protocol, 0) + ours + theirs + payload
    following = 60 if extensions else protocol
    return pack("!IHBB", 6 << 28, len(extensions) + len(payload), following, 64) + ours + theirs + extensions + payload


def ethernet(packet: bytes, *tags: int) -> bytes:
    """An Ethernet frame; `tags` are the EtherTypes of its VLAN tags, the outermost first."""
    types = (*tags, 0x0800 if packet[0] >> 4 == 4 else 0x86DD)
    return bytes.fromhex("020000000002 020000000001") + b"\0\x2a".join(pack("!H", kind) for kind in types) + packet


def cooked(packet: bytes, *tags: int, version: int = 1) -> bytes:
    """A frame as `tcpdump -i any` writes it."""
    types = (*tags, 0x0800 if packet[0] >> 4 == 4 else 0x86DD)
    behind = b"".join(b"\0\x2a" + pack("!H", kind) for kind in types[1:])
    if version == 1:
        return pack("!HHH8sH", 4, 1, 6, b"\x02\0\0\0\0\x01", types[0]) + behind + packet
    return pack("!HHIHBB8s", types[0], 0, 2, 1, 4, 6, b"\x02\0\0\0\0\x01") + behind + packet


def framed(link_type: int, packet: bytes, *tags: int) -> bytes:
    """A packet in a frame of a link type."""
    if link_type == ETHERNET:
        return ethernet(packet, *tags)
    if link_type in (SLL, SLL2):
        return cooked(packet, *tags, version=1 if link_type == SLL else 2)
    return (pack("<I", 2 if packet[0] >> 4 == 4 else 10) if link_type == NULL else b"") + packet


def pcap(link_type: int, records: Iterable[bytes] = (), *, order: str = "<", nanoseconds: bool = False) -> bytes:
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    return pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link_type) + b"".join(records)


def record(at_ns: int, frame: bytes, *, order: str = "<", nanoseconds: bool = False, size: int | None = None) -> bytes:
    """A record of pcap. `size`: octets on the wire; None: all are here."""
    seconds, fraction = divmod(at_ns, 10**9)
    fraction = fraction if nanoseconds else fraction // 1000
    return pack(order + "IIII", seconds, fraction, len(frame), len(frame) if size is None else size) + frame


def block(kind: int, body: bytes, *, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    size = pack(order + "I", len(body) + 12)
    return pack(order + "I", kind) + size + body + size


def section(*, order: str = "<") -> bytes:
    return block(0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order=order)


def interface(link_type: int, *, order: str = "<", resolution: int | None = None) -> bytes:
    """An interface of pcapng. `resolution`: its `if_tsresol`; None: there is none, and microseconds are meant."""
    options = b"" if resolution is None else pack(order + "HHB3xHH", 9, 1, resolution, 0, 0)
    return block(1, pack(order + "HHI", link_type, 0, 0) + options, order=order)


def enhanced_packet(number: int, units: int, frame: bytes, *, order: str = "<") -> bytes:
    """A packet of pcapng. `number`: of its interface; `units`: its time in the interface's resolution."""
    head = pack(order + "IIIII", number, units >> 32, units & 0xFFFFFFFF, len(frame), len(frame))
    return block(6, head + frame, order=order)


def simple_packet(frame: bytes, *, order: str = "<") -> bytes:
    return block(3, pack(order + "I", len(frame)) + frame, order=order)
