"""The zones that maps and settings make, ready to be stored, shown and explained.

Addresses stand in sorted columns, not in objects: there may be a million of them. Everything else is few.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from blackhole_guard.config.problems import Place
from blackhole_guard.config.values import Block
from blackhole_guard.wire.names import suffixes
from blackhole_guard.wire.records import RRset

_RUN = 1024  # rows that are copied at once
Names = bytes | tuple[bytes, ...]  # PTR targets at one address; a tuple where there are several


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone that we are authoritative for."""

    apex: bytes
    block: Block | None  # None: a named zone (home.arpa and its like)
    label: str  # for people: the block, or the zone's name
    ledger: str | None  # what its queries are entered under; None: it is not reserved
    ttl: int  # seconds; of its apex
    soa: RRset  # with the serial 0 where `serial` is None
    ns: RRset
    serial: int | None  # given in a map; None: it moves when the zone changes
    place: Place | None  # the `zone:` line of the map that decides; None: built in
    records: int = 0  # PTRs in it

    @property
    def mapped(self) -> bool:
        """Whether a map made it; otherwise it is built in."""
        return self.place is not None


@dataclass(frozen=True, slots=True)
class Cut:
    """A delegation: where a zone ends and others are authoritative."""

    owner: bytes
    block: Block
    apex: bytes  # of the zone that it is cut out of; equals `owner` where all of one zone of several is delegated
    ns: RRset
    glue: tuple[RRset, ...]  # as far as addresses were given
    place: Place | None  # of the delegation; None: the parent side of a zone of ours


@dataclass(frozen=True, slots=True)
class Alias:
    """The CNAME of one address into a zone that is delegated below /24 (RFC 2317)."""

    address: bytes
    target: bytes
    ttl: int  # seconds


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive addresses that one zone holds and no smaller one."""

    first: bytes  # 4 or 16 octets
    last: bytes  # included
    apex: bytes


@dataclass(frozen=True, slots=True)
class PtrRow:
    """The PTRs of one address."""

    address: bytes  # 4 or 16 octets
    names: tuple[bytes, ...]
    ttl: int  # seconds
    place: Place | None  # None: built in


@dataclass(slots=True)
class PtrColumns:
    """The PTRs of one address family, in the order of the addresses, each address once."""

    addresses: list[bytes] = field(default_factory=list)
    names: list[Names] = field(default_factory=list)
    ttls: list[int] = field(default_factory=list)
    origins: "Origins" = field(default_factory=lambda: Origins())

    def find(self, address: bytes) -> PtrRow | None:
        """Find the row of an address."""
        row = bisect_left(self.addresses, address)
        if row == len(self.addresses) or self.addresses[row] != address:
            return None
        return self.row(row)

    def row(self, row: int) -> PtrRow:
        """Give one row as a value."""
        names = self.names[row]
        names = (names,) if isinstance(names, bytes) else names
        return PtrRow(self.addresses[row], names, self.ttls[row], self.origins.place(row))

    def between(self, first: bytes, last: bytes) -> range:
        """Find the rows of the addresses from `first` to `last`, both included."""
        return range(bisect_left(self.addresses, first), bisect_right(self.addresses, last))

    def cut(self, start: int, end: int, most: int) -> Iterator[tuple[list[bytes], list[Names], list[int]]]:
        """Cut rows from `start` up to `end` into pieces of at most so many: addresses, targets, seconds."""
        for first in range(start, end, most):
            rows = slice(first, min(first + most, end))
            yield self.addresses[rows], self.names[rows], self.ttls[rows]


@dataclass(slots=True)
class Origins:
    """Where rows were written: which line of which map, without an object for each row."""

    files: list[str] = field(default_factory=list)  # of the tables that were put together, in this order
    lines: list[list[int]] = field(default_factory=list)  # of each table; a table without lines is built in
    starts: list[int] = field(default_factory=list)  # the first row of each table before sorting
    order: Sequence[int] | None = None  # sorted row -> row before sorting; None: the same

    def place(self, row: int) -> Place | None:
        """Find where a row was written; None: it is built in."""
        before = row if self.order is None else self.order[row]
        table = bisect_right(self.starts, before) - 1
        lines = self.lines[table]
        return Place(self.files[table], lines[before - self.starts[table]]) if lines else None

    def table(self, row: int) -> int:
        """Say which table a row is from."""
        return bisect_right(self.starts, row if self.order is None else self.order[row]) - 1


@dataclass(frozen=True, slots=True)
class ZoneSet:
    """Every zone, and all that is in them."""

    zones: dict[bytes, Zone]  # apex -> zone; those of IPv4 in address order, of IPv6, then the named ones
    cuts: dict[bytes, Cut]  # owner -> cut
    parent_sides: tuple[Cut, ...]  # NS of zones of ours in the zones above them: for secondaries, not for answers
    hosts: tuple[RRset, ...]  # addresses of name servers whose names lie in a zone of ours
    ptr: tuple[PtrColumns, PtrColumns]  # IPv4, IPv6
    segments: tuple[Segment, ...]  # in order, IPv4 first, without overlaps; addresses in no zone are in none
    aliases: tuple[Alias, ...]  # sorted, IPv4 only; no address has an alias and a PTR

    @property
    def records(self) -> int:
        """How many PTRs there are."""
        return sum(zone.records for zone in self.zones.values())

    def find_zone(self, name: bytes) -> Zone | None:
        """Find the deepest zone at or above a name (wire form, lower case)."""
        return next((self.zones[each] for each in suffixes(name) if each in self.zones), None)

    def find_ptr(self, address: bytes) -> PtrRow | None:
        """Find the PTRs of an address."""
        return self.ptr[len(address) == 16].find(address)

    def find_alias(self, address: bytes) -> Alias | None:
        """Find the CNAME that an address has because it is delegated below /24."""
        row = bisect_left(self.aliases, address, key=lambda alias: alias.address)
        return self.aliases[row] if row < len(self.aliases) and self.aliases[row].address == address else None

    def iter_addresses(self) -> Iterator[tuple[bytes, Names | Alias, int]]:
        """Walk all addresses in order, IPv4 first: the address, its PTR targets or its alias, seconds."""
        for run in self.iter_runs(_RUN):
            if isinstance(run, Alias):
                yield run.address, run, run.ttl
            else:
                yield from zip(*run, strict=True)

    def iter_runs(self, most: int) -> Iterator[tuple[list[bytes], list[Names], list[int]] | Alias]:
        """Walk all addresses in order, IPv4 first, many at once.

        Args:
            most: how many.
        Returns:
            Addresses of one family, their PTR targets, seconds; or an alias.
        """
        four, six = self.ptr
        start = 0
        for alias in self.aliases:
            end = bisect_left(four.addresses, alias.address, start)
            yield from four.cut(start, end, most)
            yield alias
            start = end
        yield from four.cut(start, len(four.addresses), most)
        yield from six.cut(0, len(six.addresses), most)
