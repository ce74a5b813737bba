"""What a zone map is read into, whatever it was written in: `sources` fills it, `zones` builds zones of it."""

from array import array
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from blackhole_guard.config.problems import Place, Problem
from blackhole_guard.config.settings import Soa
from blackhole_guard.wire.columns import Addresses, Values


@dataclass(slots=True)
class PtrTable:
    """PTR entries as columns, one row an address as written: a million rows must not be a million objects.

    The columns have equal length. The order is the file's order; nothing is sorted or merged yet.
    """

    addresses: Addresses = field(default_factory=Addresses)  # of one family
    values: Values = field(default_factory=Values)  # PTR targets, and the TTL that the entry, its map or defaults say
    lines: "array[int]" = field(default_factory=lambda: array("I"))  # of the map's file, from 1; none: built in


@dataclass(frozen=True, slots=True)
class MappedDelegation:
    """A block that another server is authoritative for."""

    block: IPv4Network | IPv6Network
    servers: dict[
        bytes, tuple[bytes, ...]
    ]  # wire names of name servers -> their addresses, 4 or 16 octets; may be none
    place: Place


@dataclass(frozen=True, slots=True)
class ZoneMap:
    """One `zone:` document: a block or a named reserved zone, what it says of the zone, and its PTR entries."""

    block: IPv4Network | IPv6Network | None  # None: a named zone (home.arpa and its like)
    name: str  # as written: the block, or the zone's name
    place: Place  # of `zone:`
    ttl: int | None
    ns: tuple[bytes, ...]  # wire names; empty: not said
    soa: Soa
    serve: bool
    allow_public: bool
    ptr: PtrTable
    delegations: tuple[MappedDelegation, ...]
    places: dict[str, Place] = field(
        default_factory=dict
    )  # where each key that is there stands: "ns", "soa", "ttl", ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that the maps say, and the files that were read to know it."""

    maps: tuple[ZoneMap, ...]
    files: dict[
        str, bytes
    ]  # path -> digest of its content, b"" if it could not be read; the settings file is among them
    patterns: tuple[str, ...]  # absolute include patterns, for watching: a file that matches later counts as a change
    warnings: tuple[Problem, ...] = ()  # what loads, but is likely not meant; sorted by place
