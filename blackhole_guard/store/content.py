"""What goes into a snapshot, and what the few records in it that are not addresses look like.

Whoever loads fills these shapes; the store gives the zones their serials.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from blackhole_guard.wire.columns import Rows
from blackhole_guard.wire.records import RRset

Row = tuple[bytes, bytes]  # key and value of the records of one address, see `keys` and wire.values


class StoredZone(msgspec.Struct, frozen=True, array_like=True):
    """A zone of ours."""

    apex: bytes  # wire form, lower case
    label: str  # for people: 10.0.0.0/8, home.arpa
    block: str | None  # of the registry, under which queries are counted; None: not reserved
    mapped: bool  # False: built in
    serial: int | None  # as a map gives it; None: it moves when the zone changes
    soa: RRset  # what stands in it for the serial counts only in a snapshot
    ns: RRset
    records: int  # PTRs
    pieces: tuple[tuple[bytes, bytes], ...]  # first and last key of each run of addresses that is in no smaller zone


class StoredCut(msgspec.Struct, frozen=True, array_like=True):
    """A delegation."""

    owner: bytes
    apex: bytes  # of the zone that it is in
    ns: RRset
    glue: tuple[RRset, ...]
    # The NS records of another zone of ours, for who has only the zone above: never an answer of ours.
    parent_side: bool


@dataclass(frozen=True, slots=True)
class Content:
    """All that is in the zones."""

    zones: tuple[StoredZone, ...]
    cuts: tuple[StoredCut, ...]
    hosts: tuple[RRset, ...]  # further RRsets at names that are no addresses
    # All rows in the order of their keys, each address once; those of a shelf in one run. Every time it is called.
    runs: Callable[[], Iterator[Rows]]

    @property
    def records(self) -> int:
        """How many PTRs there are."""
        return sum(zone.records for zone in self.zones)


def set_serial(soa: RRset, serial: int) -> RRset:
    """Put a serial into an SOA: it stands before four other numbers of four octets (RFC 1035 section 3.3.13)."""
    rdata = soa.rdatas[0]
    return RRset(soa.owner, soa.rtype, soa.ttl, (rdata[:-20] + serial.to_bytes(4, "big") + rdata[-16:],))


def get_serial(soa: RRset) -> int:
    """Take the serial out of an SOA."""
    return int.from_bytes(soa.rdatas[0][-20:-16], "big")


def get_minimum(soa: RRset) -> int:
    """Take MINIMUM out of an SOA; seconds."""
    return int.from_bytes(soa.rdatas[0][-4:], "big")
