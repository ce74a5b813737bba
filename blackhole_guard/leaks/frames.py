"""Captured frames: from the link layer down to the UDP or TCP segment that a DNS message travels in.

Link types: tcpdump.org/linktypes.html. IEEE 802.1Q and 802.1ad (tags), RFC 791 and RFC 8200 (IP), RFC 768, RFC 9293.
A sender's fragments: the first one of a UDP datagram holds the question, so it is read, and is not whole; the others
say nothing. Left out: tunnels, MPLS and PPPoE, whose inner packets the sinks' routes do not carry.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from struct import Struct
from typing import NamedTuple


class LinkType(IntEnum):
    """The link layers that are read (LINKTYPE_ values)."""

    NULL = 0  # BSD loopback: four octets, in the writer's byte order
    ETHERNET = 1
    RAW_BSD = 12  # RAW, as programs write it that take the number in memory for that in files
    RAW_OPENBSD = 14  # the same on OpenBSD
    RAW = 101  # IPv4 or IPv6, nothing before it
    LOOP = 108  # OpenBSD loopback: four octets
    LINUX_SLL = 113  # `tcpdump -i any`
    IPV4 = 228
    IPV6 = 229
    LINUX_SLL2 = 276  # `tcpdump -i any` of libpcap 1.10 and later


class Frame(NamedTuple):
    """What a capture holds of one frame."""

    at: float  # unix seconds
    link_type: int  # a LinkType, or a number that we do not know
    octets: bytes  # from the link layer on
    size: int  # octets that it had on the wire


class TcpFields(NamedTuple):
    """What reassembly needs of a TCP header."""

    sequence: int
    flags: int


class Segment(NamedTuple):
    """A UDP datagram or a TCP segment."""

    source: bytes  # 4 or 16 octets
    destination: bytes
    source_port: int
    destination_port: int
    payload: bytes
    missing: int  # octets of the payload that the capture, or fragmentation, has cut off its end
    tcp: TcpFields | None  # None: UDP


MAX_TAGS = 2  # 802.1ad: the provider's, then the customer's
TAGS = frozenset((b"\x81\x00", b"\x88\xa8", b"\x91\x00"))  # 802.1Q, 802.1ad, and what came before 802.1ad
IPV4_TYPE, IPV6_TYPE = b"\x08\x00", b"\x86\xdd"
_VERSIONS = {IPV4_TYPE: 4, IPV6_TYPE: 6}
IPV4_HEADER, IPV6_HEADER = 20, 40  # octets, without options and extension headers
_HEADERS = {4: IPV4_HEADER, 6: IPV6_HEADER}

# Where the EtherType stands, and where what it speaks of begins.
TYPED: Mapping[int, tuple[int, int]] = {
    LinkType.ETHERNET: (12, 14),
    LinkType.LINUX_SLL: (14, 16),
    LinkType.LINUX_SLL2: (0, 20),
}
# Where IP begins; its own first four bits say which.
UNTYPED: Mapping[int, int] = {
    LinkType.NULL: 4,
    LinkType.LOOP: 4,
    LinkType.RAW: 0,
    LinkType.RAW_BSD: 0,
    LinkType.RAW_OPENBSD: 0,
    LinkType.IPV4: 0,
    LinkType.IPV6: 0,
}

_KNOWN = frozenset((*TYPED, *UNTYPED))

_TCP, _UDP = 6, 17
_IPV6_FRAGMENT, _IPV6_AUTHENTICATION = 44, 51
# RFC 8200 section 4.1: hop-by-hop, routing, destination options; with RFC 6275 (mobility), RFC 7401 (HIP), RFC 5533
# (Shim6).
_IPV6_EXTENSIONS = frozenset((0, 43, 60, 135, 139, 140))
_MAX_EXTENSIONS = 8  # each kind may appear once; a chain of more is nobody's but an attacker's

_IPV4 = Struct("!BxHxxHxB2x4s4s")  # version and IHL, total length, flags and fragment offset, protocol, addresses
_IPV6 = Struct("!4xHBx16s16s")  # payload length, next header, addresses
_UDP_HEADER = Struct("!HHHxx")  # ports, length
_TCP_HEADER = Struct("!HHI4xBB6x")  # ports, sequence number, data offset, flags
_MORE_FRAGMENTS, _FRAGMENT_OFFSET = 0x2000, 0x1FFF


def is_known(link_type: int) -> bool:
    """Say whether frames of a link type can be read."""
    return link_type in _KNOWN


def find_ip(link_type: int, octets: bytes) -> int | None:
    """Find where the IP header begins; None: there is none. Its whole fixed part is there."""
    typed = TYPED.get(link_type)
    if typed is None:
        start = UNTYPED.get(link_type, len(octets))
        version = octets[start] >> 4 if start < len(octets) else 0
    else:
        where, start = typed
        ethertype = octets[where : where + 2]
        if ethertype in TAGS:
            start, ethertype = _skip_tags(octets, start)
        version = _VERSIONS.get(ethertype, 0)
        if start >= len(octets) or octets[start] >> 4 != version:  # the EtherType and IP itself must name the same
            return None
    header = _HEADERS.get(version)
    return start if header is not None and start + header <= len(octets) else None


def _skip_tags(octets: bytes, start: int) -> tuple[int, bytes]:
    """Where the first tag's content begins -> where that of the last one does, and its EtherType."""
    ethertype, tags = b"", 0
    while tags < MAX_TAGS and (not tags or ethertype in TAGS):
        # A tag is two octets of priority and VLAN, then the type of what follows.
        ethertype = octets[start + 2 : start + 4]
        start, tags = start + 4, tags + 1
    return start, ethertype


def parse_segment(link_type: int, octets: bytes) -> Segment | None:
    """Read the segment in a frame; None: it holds none, or not the beginning of one."""
    start = find_ip(link_type, octets)
    if start is None:
        return None
    found = _parse_ipv4(octets, start) if octets[start] >> 4 == 4 else _parse_ipv6(octets, start)
    if found is None:
        return None
    source, destination, protocol, start, end = found
    parse = _TRANSPORTS.get(protocol)
    return None if parse is None else parse(octets, source, destination, start, end)


# What both IPs come to: source, destination, protocol, where it begins in the frame, and where it would end if all were
# there.
_Inner = tuple[bytes, bytes, int, int, int]


def _parse_ipv4(octets: bytes, start: int) -> _Inner | None:
    first, length, fragment, protocol, source, destination = _IPV4.unpack_from(octets, start)
    header = (first & 15) * 4
    if fragment & _FRAGMENT_OFFSET or header < IPV4_HEADER:
        return None
    # Network cards that cut segments themselves are given a length of 0.
    end = start + length if length else len(octets)
    return source, destination, protocol, start + header, end


def _parse_ipv6(octets: bytes, start: int) -> _Inner | None:
    length, protocol, source, destination = _IPV6.unpack_from(octets, start)
    position = start + IPV6_HEADER
    end = position + length if length else len(octets)
    for _ in range(_MAX_EXTENSIONS):
        if protocol in _TRANSPORTS:
            return source, destination, protocol, position, end
        header = octets[position : position + 8]
        if len(header) < 8:
            return None
        if protocol in _IPV6_EXTENSIONS:
            position += 8 * (header[1] + 1)
        elif protocol == _IPV6_AUTHENTICATION:
            position += 4 * (header[1] + 2)
        elif protocol == _IPV6_FRAGMENT and not (header[2] << 8 | header[3]) & 0xFFF8:
            position += 8
        else:
            return None
        protocol = header[0]
    return None


def _parse_udp(octets: bytes, source: bytes, destination: bytes, start: int, end: int) -> Segment | None:
    payload = start + _UDP_HEADER.size
    if payload > len(octets):
        return None
    source_port, destination_port, length = _UDP_HEADER.unpack_from(octets, start)
    there = end if end < len(octets) else len(octets)
    if length:  # 0 where a network card was to cut it (or in a jumbogram)
        end = start + length  # beyond the packet's own end in a first fragment
    missing = end - there if end > there else 0
    return Segment(source, destination, source_port, destination_port, octets[payload : end - missing], missing, None)


def _parse_tcp(octets: bytes, source: bytes, destination: bytes, start: int, end: int) -> Segment | None:
    if start + _TCP_HEADER.size > len(octets):
        return None
    source_port, destination_port, sequence, offset, flags = _TCP_HEADER.unpack_from(octets, start)
    payload = start + (offset >> 4) * 4
    if payload < start + _TCP_HEADER.size:
        return None
    missing = max(end - max(payload, len(octets)), 0)
    fields = TcpFields(sequence, flags)
    return Segment(source, destination, source_port, destination_port, octets[payload:end], missing, fields)


_TRANSPORTS: Mapping[int, Callable[[bytes, bytes, bytes, int, int], Segment | None]] = {
    _TCP: _parse_tcp,
    _UDP: _parse_udp,
}
