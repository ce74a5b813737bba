"""The zones that every server should answer itself: IANA's registry of locally-served zones, from zones.csv.

RFC 6303 and its successors in the registry (RFC 7793, 8375, 9462, 9665). The list only grows: 'Once a zone is added it
is effectively added permanently'. A row's `registry` is `iana`, or `extra` for what the registry does not list (yet).
Sinks are how the public DNS was seen to answer; RFC 7534 promises those of AS112 alone, so they are data.
"""

import csv
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import collapse_addresses, ip_network
from pathlib import Path
from types import MappingProxyType

from blackhole_guard.reserved.addresses import Block
from blackhole_guard.wire.names import pack_name

UPDATED = "2025-06-16"  # of the registry, as its page says


class Sink(StrEnum):
    """Who answers a query that leaks."""

    AS112 = "as112"  # the anycast servers of RFC 7534: prisoner, blackhole-1 and blackhole-2.iana.org
    AS112_DNAME = "as112-dname"  # blackhole.as112.arpa, by a DNAME to empty.as112.arpa (RFC 7535)
    IANA = "iana"  # empty zones on ICANN's own servers
    RIR = "rir"  # a regional registry
    ARPA = "arpa"  # NXDOMAIN from the servers of in-addr.arpa, ip6.arpa or arpa
    ROOT = "root"  # NXDOMAIN from the root servers


@dataclass(frozen=True, slots=True)
class ReservedZone:
    """A row of the registry, or an extra."""

    apex: bytes  # wire form, lower case
    network: Block | None  # None: no reverse zone (home.arpa and its like)
    what: str  # what it is reserved for, in a word or two
    reference: str  # the RFC that put it into the registry
    sink: Sink
    block: str  # what the ledger enters its queries under: a block that may span several zones, or the zone's name
    extra: bool  # not in the registry


def _read_zones(text: str) -> tuple[ReservedZone, ...]:
    return tuple(
        ReservedZone(
            apex=pack_name(row["zone"]),
            network=None if row["network"] == "-" else ip_network(row["network"]),
            what=row["what"],
            reference=row["reference"],
            sink=Sink(row["sink"]),
            block=row["block"],
            extra=row["registry"] == "extra",
        )
        for row in csv.DictReader(text.splitlines())
    )


ZONES = _read_zones(Path(__file__).with_name("zones.csv").read_text(encoding="ascii"))  # in the registry's order
BLOCKS: Mapping[str, Sink] = MappingProxyType({zone.block: zone.sink for zone in ZONES})  # in the registry's order

# Names at and below which nothing exists, but the answer is NODATA, not NXDOMAIN (RFC 9462 section 6.4).
NODATA_NAMES = frozenset((pack_name("_dns.resolver.arpa"),))
# Addresses that have a PTR `localhost.` unless a map says otherwise (RFC 6303 sections 4.2 and 4.3).
LOCALHOST = (bytes((127, 0, 0, 1)), bytes(15) + b"\x01")

_UNIQUE_LOCAL = b"\xfc\xfd"  # first octets of fc00::/7 (RFC 4193 section 3.1); the registry has its second half only
_BY_APEX = {zone.apex: zone for zone in ZONES}
_BY_NETWORK = {zone.network: zone for zone in ZONES if zone.network is not None}
_BLOCK_NETWORKS = {ip_network(block): block for block in BLOCKS if "/" in block}
_RESERVED: frozenset[Block] = frozenset(
    (
        *collapse_addresses([network for network in _BY_NETWORK if network.version == 4]),
        *collapse_addresses([network for network in _BY_NETWORK if network.version == 6]),
    )
)
_STARTS = {
    size: sorted(network.network_address.packed for network in _RESERVED if network.max_prefixlen == 8 * size)
    for size in (4, 16)
}
_ENDS = {network.network_address.packed: network.broadcast_address.packed for network in _RESERVED}


def find_reserved_network(network: Block) -> ReservedZone | None:
    """Find the row whose network holds all of `network`."""
    return next((_BY_NETWORK[each] for each in _widen(network) if each in _BY_NETWORK), None)


def is_reserved(network: Block) -> bool:
    """Say whether the whole of a block is reserved, by one row or by several together (172.16.0.0/12)."""
    return any(each in _RESERVED for each in _widen(network))


def is_reserved_address(address: bytes) -> bool:
    """Say whether an address of 4 or 16 octets is reserved."""
    starts = _STARTS[len(address)]
    at = bisect_right(starts, address)
    return at > 0 and address <= _ENDS[starts[at - 1]]


def is_public_address(address: bytes) -> bool:
    """Say whether an address of 4 or 16 octets is one outside: not loopback, private, link-local or the like."""
    return not (len(address) == 16 and address[0] in _UNIQUE_LOCAL) and not is_reserved_address(address)


def find_block(network: Block) -> str | None:
    """Find what the ledger enters queries in a block under."""
    return next((_BLOCK_NETWORKS[each] for each in _widen(network) if each in _BLOCK_NETWORKS), None)


def find_reserved_name(name: bytes) -> ReservedZone | None:
    """Find the deepest row whose apex is `name` (wire form, lower case) or above it."""
    position = 0
    while (zone := _BY_APEX.get(name[position:])) is None and name[position]:
        position += 1 + name[position]
    return zone


def _widen(network: Block) -> Iterator[Block]:
    """Walk from a block to all that hold it, the smallest first."""
    return (network.supernet(new_prefix=length) for length in range(network.prefixlen, -1, -1))
