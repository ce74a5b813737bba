"""A snapshot that is open: looks up names for those who answer.

Zones, cuts and the few other names are dictionaries; addresses stay in the file, which all workers map once. The file
never changes, so one read transaction lasts as long as the snapshot is open.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import lmdb
import msgspec

from blackhole_guard.store.content import Row, StoredCut, StoredZone, get_minimum, get_serial
from blackhole_guard.store.errors import StoreError
from blackhole_guard.store.keys import find_key, find_range
from blackhole_guard.store.mapped_file import MappedFile, Octets
from blackhole_guard.store.shelves import APART, find_offset, has_records, read_entry, unpack_rows
from blackhole_guard.store.snapshot_file import check_snapshot_file, describe, iter_items, read_meta
from blackhole_guard.wire.names import format_name, suffixes
from blackhole_guard.wire.records import RRset
from blackhole_guard.wire.values import read_value


@dataclass(frozen=True, slots=True)
class SnapshotZone:
    """A zone of ours, as `answering` needs it."""

    apex: bytes
    block: str | None
    soa: RRset
    negative_soa: RRset


@dataclass(frozen=True, slots=True)
class ZoneFacts:
    """What people and metrics want to know of a zone."""

    apex: str  # absolute, safe to print
    label: str  # 10.0.0.0/8, home.arpa
    serial: int
    records: int  # PTRs
    mapped: bool  # False: built in


def open_snapshot(path: str) -> "Snapshot":
    """Open a snapshot.

    A process opens a file once: LMDB does not bear it twice. After a rename another file is there, which may be opened
    while the old one is still open. Not to be inherited by a fork.

    Raises:
        StoreError: there is none, it is broken, or of another format.
    """
    if check_snapshot_file(path, deeply=False) is None:
        raise StoreError(f"there is no snapshot {path}")
    try:
        return Snapshot(path)
    except (lmdb.Error, OSError, msgspec.MsgspecError) as error:
        why = "its zones cannot be read" if isinstance(error, msgspec.MsgspecError) else describe(error, path)
        raise StoreError(f"the snapshot {path} cannot be opened: {why}") from error


class Snapshot:
    """Fulfils `answering.zone_reader.ZoneReader`.

    Two look-ups are C functions under our names, without a frame of Python around them (0.05 us each, of 0.3 us for a
    shelf; bench.load).
    """

    # Find the shelf under a key, see `shelves`. The view shows the mapped file itself, so it must not outlive
    # the snapshot: once that is closed, a look at it would kill the process.
    find_shelf: Callable[[bytes], memoryview | None]
    # Say whether a zone of ours, a delegation or another name that is no address stands strictly below a name.
    has_names_below: Callable[[bytes], bool]

    def __init__(self, path: str) -> None:
        """Open the file; raises lmdb.Error, OSError or msgspec.MsgspecError."""
        self._env = lmdb.open(path, subdir=False, readonly=True, lock=False, create=False)
        try:
            self._file = MappedFile(path)
            self._transaction = self._env.begin()
            self._views = self._env.begin(buffers=True)
            self._meta = read_meta(self._transaction)
        except BaseException:
            self._env.close()
            raise
        self._get = self._transaction.get
        self.find_shelf = self._views.get
        self._cursor = self._transaction.cursor()
        self._zones = {zone.apex: _make_zone(zone) for zone in self._meta.zones}
        self._cuts = {cut.owner: cut for cut in self._meta.cuts if not cut.parent_side}
        self._stops = {
            name: (self._cuts.get(name), self._zones.get(name)) for name in (*self._zones, *self._cuts)
        }  # where the way from a name up to its zone may end
        self._stop_sizes = frozenset(map(len, self._stops))
        self._named = self._collect_named()
        self._ancestors = {each for name in (*self._stops, *self._named) for each in list(suffixes(name))[1:]}
        self.has_names_below = self._ancestors.__contains__

    def _collect_named(self) -> dict[bytes, tuple[RRset, ...]]:
        named: dict[bytes, tuple[RRset, ...]] = {zone.apex: (zone.soa, zone.ns) for zone in self._meta.zones}
        named.update({cut.owner: (cut.ns,) for cut in self._cuts.values()})
        for rrset in self._meta.hosts:
            named[rrset.owner] = (*named.get(rrset.owner, ()), rrset)
        return named

    @property
    def generation(self) -> int:
        """Larger than that of each snapshot before."""
        return self._meta.generation

    @property
    def digest(self) -> bytes:
        """Of the sources that it was made of."""
        return self._meta.digest

    @property
    def attachment(self) -> bytes:
        """What the loader put in for the workers; the store does not look into it."""
        return self._meta.attachment

    @property
    def facts(self) -> tuple[ZoneFacts, ...]:
        """Of each zone, in the order in which they were written."""
        return tuple(
            ZoneFacts(format_name(zone.apex), zone.label, get_serial(zone.soa), zone.records, zone.mapped)
            for zone in self._meta.zones
        )

    @property
    def zones(self) -> tuple[StoredZone, ...]:
        """As they were written, with their serials in the SOA."""
        return self._meta.zones

    @property
    def cuts(self) -> tuple[StoredCut, ...]:
        """As they were written."""
        return self._meta.cuts

    @property
    def hosts(self) -> tuple[RRset, ...]:
        """As they were written."""
        return self._meta.hosts

    def iter_rows(self) -> Iterator[Row]:
        """Walk the records of all addresses, in the order of their keys."""
        return unpack_rows(self.iter_items())

    def iter_items(self) -> Iterator[Row]:
        """Walk the same as they stand in the file: shelves, and what stands apart."""
        return iter_items(self._transaction)

    def close(self) -> None:
        """Give the file back. Nothing may be looked up afterwards."""
        self._cursor.close()
        self._views.abort()
        self._transaction.abort()
        self._env.close()
        self._file.close()

    def locate(self, shelf: Octets) -> tuple[Octets, int]:
        """Give octets that are quicker to read than a shelf's view, and where in them the shelf begins."""
        position = self._file.locate(shelf)
        return (shelf, 0) if position is None else (self._file.octets, position)

    def find_enclosing(self, name: bytes) -> tuple[SnapshotZone, StoredCut | None] | None:
        """Find the deepest zone of ours at or above `name`, and the delegation between its apex and `name`."""
        stops, sizes, cut, left = self._stops, self._stop_sizes, None, len(name)
        while True:
            if left in sizes:  # few are: an IPv6 address has 34 names above it
                stop = stops.get(name[-left:])
                if stop is not None:
                    cut = stop[0] or cut  # the last one met is the first on the way down from the apex
                    if stop[1] is not None:
                        return stop[1], cut
            length = name[-left]
            if not length:
                return None
            left -= 1 + length

    def find_parent(self, apex: bytes) -> SnapshotZone | None:
        """Find the zone of ours that holds the parent side of `apex`; None: there is none, or it is delegated."""
        found = self.find_enclosing(apex[1 + apex[0] :]) if apex[0] else None
        return None if found is None or found[1] is not None else found[0]

    def find_rrsets(self, name: bytes) -> tuple[RRset, ...]:
        """All RRsets at `name`, apex records included."""
        key = find_key(name)
        value = None if key is None else self._find_value(key)
        named = self._named.get(name, ())
        return named if value is None else (*named, read_value(name, value))

    def _find_value(self, key: bytes) -> bytes | None:
        shelf = self.find_shelf(key[:-1])
        if shelf is None:
            return None
        offset = find_offset(shelf, key[-1])
        if offset == APART:
            return self._get(key)
        return read_entry(shelf, offset) if offset else None

    def has_descendants(self, name: bytes) -> bool:
        """Say whether any name below `name` exists."""
        if name in self._ancestors:
            return True
        span = find_range(name)
        if span is None:
            return False
        first, last = span
        if last[-1] - first[-1] == 255:  # whole shelves, of which none is empty
            return self._cursor.set_range(first[:-1]) and self._cursor.key() <= last
        shelf = self.find_shelf(first[:-1])
        return shelf is not None and has_records(shelf, first[-1], last[-1])


def _make_zone(zone: StoredZone) -> SnapshotZone:
    ttl = min(zone.soa.ttl, get_minimum(zone.soa))  # RFC 2308 section 3
    return SnapshotZone(zone.apex, zone.block, zone.soa, RRset(zone.apex, zone.soa.rtype, ttl, zone.soa.rdatas))
