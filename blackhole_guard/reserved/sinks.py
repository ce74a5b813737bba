"""The addresses of the sinks: what a query that leaks is on its way to.

RFC 7534 section 3.2 (AS112, direct delegation), RFC 7535 section 3.1 (by DNAME). Left out: the sinks that no address
gives away (`iana`, `rir`, `arpa`, `root`), because their servers answer for much besides.
"""

from ipaddress import ip_network

from blackhole_guard.reserved.addresses import Block
from blackhole_guard.reserved.registry import Sink

# RFC 7534 section 3.2 and RFC 7535 section 3.1: all that is routed to AS112 nodes, and nothing else is.
PREFIXES: dict[Block, Sink] = {
    ip_network("192.175.48.0/24"): Sink.AS112,
    ip_network("2620:4f:8000::/48"): Sink.AS112,
    ip_network("192.31.196.0/24"): Sink.AS112_DNAME,
    ip_network("2001:4:112::/48"): Sink.AS112_DNAME,
}

SERVERS: dict[str, tuple[str, str]] = {  # name -> its IPv4 and IPv6 address
    "prisoner.iana.org": ("192.175.48.1", "2620:4f:8000::1"),  # MNAME: dynamic updates go there
    "blackhole-1.iana.org": ("192.175.48.6", "2620:4f:8000::6"),
    "blackhole-2.iana.org": ("192.175.48.42", "2620:4f:8000::42"),
    "blackhole.as112.arpa": ("192.31.196.1", "2001:4:112::1"),
}

_BY_OCTETS = {network.network_address.packed[: network.prefixlen // 8]: sink for network, sink in PREFIXES.items()}
_IPV4_PREFIX, _IPV6_PREFIX = 3, 6  # octets


def find_sink(address: bytes) -> Sink | None:
    """Find the sink that an address (4 or 16 octets) belongs to."""
    return _BY_OCTETS.get(address[:_IPV4_PREFIX] if len(address) == 4 else address[:_IPV6_PREFIX])
