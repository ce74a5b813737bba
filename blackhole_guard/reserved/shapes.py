"""What a query in the reserved space looks like, and so who asks such a thing and why.

The ledger of averted leaks and the observed ones tell queries apart by it. PARTIAL names are no leaks of their own: no
client asked for them.
"""

from enum import StrEnum

from blackhole_guard.reserved.addresses import IN_ADDR_ARPA, IP6_ARPA, is_reverse_prefix, parse_reverse_range
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import is_subdomain


class Shape(StrEnum):
    """What a query looks like, and so who asks such a thing."""

    HOST = "host"  # PTR of a whole address
    NETWORK = "network"  # PTR of the first or the last address of a network: people and tools that look at networks
    DNS_SD = "dns-sd"  # Apple's and others' search for browsing domains (RFC 6763 section 11)
    JUNK = "junk"  # labels that no address has, or labels below a whole address
    PARTIAL = "partial"  # fewer labels than an address has: a resolver on its way there (RFC 9156)
    SOA_HUNT = "soa-hunt"  # SOA, NS: a client that looks for the zone to send an update to
    UPDATE = "update"  # RFC 2136
    OTHER = "other"


_ENUMERATION = tuple(  # RFC 6763 section 11
    bytes((len(label),)) + label + b"\x07_dns-sd\x04_udp" for label in (b"b", b"db", b"r", b"dr", b"lb")
)
# What a resolver that minimises puts in front of a name, or leaves in front of one on its way to the names above.
_MINIMISED = (b"\x01_", b"\x07_dns-sd\x04_udp", b"\x04_udp")
MINIMISING_TYPES = frozenset((RRType.A, RRType.AAAA, RRType.NS))
_ZONE_TYPES = frozenset((RRType.SOA, RRType.NS))
_PARTIAL_TYPES = MINIMISING_TYPES | {RRType.PTR}


def find_shape(name: bytes, qtype: int, *, apex: bytes, cut: bytes | None) -> Shape:
    """Tell the shape of a query (not an UPDATE).

    Args:
        name: lower case.
        apex: of the zone that `name` is in.
        cut: owner of the delegation that `name` is at or below; None: there is none.
    """
    if name.startswith(_ENUMERATION):
        return Shape.DNS_SD
    if qtype in _ZONE_TYPES and (qtype == RRType.SOA or name == apex):
        return Shape.SOA_HUNT
    block = parse_reverse_range(name)
    if block is not None:
        address, prefix_length = block
        if prefix_length == 8 * len(address):
            return _find_shape_at_address(address, qtype)
        return Shape.PARTIAL if qtype in _PARTIAL_TYPES else Shape.OTHER
    if not (is_subdomain(name, of=IN_ADDR_ARPA) or is_subdomain(name, of=IP6_ARPA)):
        return Shape.OTHER  # home.arpa and its like: any name may be one
    if qtype in MINIMISING_TYPES and _is_minimised(name):
        return Shape.PARTIAL
    if cut is not None and not is_reverse_prefix(cut):
        return Shape.OTHER  # a delegation by RFC 2317: its labels are the operator's
    return Shape.JUNK


def _find_shape_at_address(address: bytes, qtype: int) -> Shape:
    if qtype == RRType.PTR:
        return Shape.NETWORK if _is_edge(address) else Shape.HOST
    return Shape.SOA_HUNT if qtype == RRType.NS else Shape.OTHER


def _is_edge(address: bytes) -> bool:
    """Say whether an address is the first or the last of a network: the /24s in IPv4, the /64s in IPv6."""
    host = address[3:] if len(address) == 4 else address[8:]
    return not any(host) or all(octet == 0xFF for octet in host)


def _is_minimised(name: bytes) -> bool:
    for front in _MINIMISED:
        if name.startswith(front):
            return is_reverse_prefix(name[len(front) :])
    return False
