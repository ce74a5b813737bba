"""The zones that maps and settings make, ready to be stored, shown and explained.

Addresses stand in sorted columns, not in objects: there may be a million of them. Everything else is few.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from blackhole_guard.config.problems import Place
from blackhole_guard.config.values import Block
from blackhole_guard.wire.columns import Addresses, Rows, Values
from blackhole_guard.wire.names import suffixes
from blackhole_guard.wire.records import RRset
from blackhole_guard.wire.values import make_cname, read_value


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

    addresses: Addresses = field(default_factory=Addresses)
    values: Values = field(default_factory=Values)
    origins: "Origins" = field(default_factory=lambda: Origins())

    def find(self, address: bytes) -> PtrRow | None:
        """Find the row of an address."""
        row = bisect_left(self.addresses, address)
        if row == len(self.addresses) or self.addresses[row] != address:
            return None
        return self.row(row)

    def row(self, row: int) -> PtrRow:
        """Give one row as a value."""
        ptrs = self.read(row)
        return PtrRow(self.addresses[row], ptrs.rdatas, ptrs.ttl, self.origins.place(row))

    def read(self, row: int) -> RRset:
        """Read the PTRs of one row; their owner is left out."""
        return read_value(b"", self.values[row])

    def between(self, first: bytes, last: bytes) -> range:
        """Find the rows of the addresses from `first` to `last`, both included."""
        return range(bisect_left(self.addresses, first), bisect_right(self.addresses, last))

    def cut(self, start: int, end: int, most: int) -> Iterator[Rows]:
        """Cut rows from `start` up to `end` into pieces of at most so many, or up to 255 more.

        Addresses that differ in their last octet alone are in one piece.
        """
        width, sizes = self.addresses.width, self.values.sizes
        position = self.values.size_before(start)
        while start < end:
            after = min(start + most, end)
            after = bisect_right(self.addresses, self.addresses[after - 1][:-1] + b"\xff", after, end)
            before, position = position, position + sum(sizes[start:after])
            yield Rows(
                width,
                bytes(self.addresses.octets[start * width : after * width]),
                self.values.read(before, position),
                sizes[start:after],
                self.values.has_entries_only,
            )
            start = after


@dataclass(slots=True)
class Origins:
    """Where rows were written: which line of which map, without an object for each row."""

    files: list[str] = field(default_factory=list)  # of the tables that were put together, in this order
    lines: "list[array[int]]" = field(default_factory=list)  # of each table; a table without lines is built in
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

    def iter_runs(self, most: int) -> Iterator[Rows]:
        """Walk all addresses in order, IPv4 first, those with an alias among them, many at once.

        Args:
            most: how many, or up to 255 more: addresses that differ in their last octet alone are in one run.
        """
        four, six = self.ptr
        start = 0
        for network, aliases in groupby(self.aliases, key=lambda alias: alias.address[:-1]):
            near = four.between(network + b"\0", network + b"\xff")
            yield from four.cut(start, near.start, most)
            yield _merge(four, near, aliases)
            start = near.stop
        yield from four.cut(start, len(four.addresses), most)
        yield from six.cut(0, len(six.addresses), most)


def _merge(ptr: PtrColumns, near: range, aliases: Iterable[Alias]) -> Rows:
    """Put PTRs and aliases of some neighbouring addresses together."""
    found = {ptr.addresses[row]: ptr.values[row] for row in near}
    found |= {alias.address: make_cname(alias.target, alias.ttl) for alias in aliases}
    addresses = sorted(found)
    return Rows.of(Addresses(addresses), Values(found[address] for address in addresses))
