"""What changes between a snapshot and new content: one merge of two sorted streams.

A shelf whose octets are the same before and after is passed over whole, unless a zone begins or ends on it.

An address belongs to the smallest zone that holds it, so a new zone takes addresses out of the one around it: they go
from there although their records stay the same. Each zone's changes are listed as far as the journal may keep them, and
counted beyond.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from blackhole_guard.store.content import Content, Row, StoredCut, StoredZone, set_serial
from blackhole_guard.store.shelves import pack_runs, shelf_of, unpack_rows
from blackhole_guard.store.snapshot import Snapshot
from blackhole_guard.wire.records import RRset
from blackhole_guard.wire.values import count_ptrs

MOST_LISTED = 1 << 22  # octets of changes that are listed for one zone
_END = b"\xff" * 20  # after all keys


@dataclass(slots=True)
class ZoneChange:
    """What changes in one zone that was there before and is there now."""

    removed: list[Row] = field(default_factory=list)
    added: list[Row] = field(default_factory=list)
    removed_sets: tuple[RRset, ...] = ()  # at names that are no addresses
    added_sets: tuple[RRset, ...] = ()
    soa: bool = False  # the SOA differs in more than its serial
    rows_added: int = 0  # addresses
    rows_removed: int = 0
    rows_changed: int = 0
    octets: int = 0
    whole: bool = True  # False: too much to list, so what is listed is a part

    @property
    def changed(self) -> bool:
        """Whether anything differs."""
        return bool(self.soa or self.rows or self.removed_sets or self.added_sets)

    @property
    def rows(self) -> int:
        """How many addresses differ."""
        return self.rows_added + self.rows_removed + self.rows_changed

    def note(self, old: Row | None, new: Row | None) -> None:
        """Enter one address."""
        self.rows_added += old is None
        self.rows_removed += new is None
        self.rows_changed += old is not None and new is not None
        self.octets += sum(len(key) + len(value) for key, value in filter(None, (old, new)))
        if self.octets > MOST_LISTED:
            self.whole = False
            return
        if old is not None:
            self.removed.append(old)
        if new is not None:
            self.added.append(new)


@dataclass(slots=True)
class Difference:
    """What changes altogether."""

    zones: dict[bytes, ZoneChange]  # apex -> change; of zones that are there before and after
    new_zones: tuple[bytes, ...]
    gone_zones: tuple[bytes, ...]
    rows: int = 0  # addresses whose records differ, in whatever zone
    lost: int = 0  # PTRs that addresses have less than before

    def note(self, old: Row | None, new: Row | None, source: ZoneChange | None, target: ZoneChange | None) -> None:
        """Enter one address whose records, or whose zone, differ.

        Args:
            old: None: it had no records.
            new: None: it has none any more.
            source: the zone that it was in; None: one that goes.
            target: the zone that it is in; None: one that comes.
        """
        if old != new:
            self.rows += 1
            self.lost += max(0, (count_ptrs(old[1]) if old else 0) - (count_ptrs(new[1]) if new else 0))
        if source is target and source is not None:
            source.note(old, new)
            return
        if source is not None and old is not None:
            source.note(old, None)
        if target is not None and new is not None:
            target.note(None, new)

    @property
    def changes(self) -> int:
        """How many records differ, roughly: addresses, and RRsets at other names."""
        sets = sum(len(each.removed_sets) + len(each.added_sets) + each.soa for each in self.zones.values())
        return self.rows + sets + len(self.new_zones) + len(self.gone_zones)


def compare(old: Snapshot, new: Content) -> Difference:
    """Find what differs."""
    before, after = {zone.apex: zone for zone in old.zones}, {zone.apex: zone for zone in new.zones}
    difference = Difference(
        zones={apex: ZoneChange() for apex in after if apex in before},
        new_zones=tuple(apex for apex in after if apex not in before),
        gone_zones=tuple(apex for apex in before if apex not in after),
    )
    old_sets = _collect_sets(old.zones, old.cuts, old.hosts)
    new_sets = _collect_sets(new.zones, new.cuts, new.hosts)
    for apex, change in difference.zones.items():
        change.soa = set_serial(before[apex].soa, 0) != set_serial(after[apex].soa, 0)
        change.removed_sets = tuple(old_sets[apex] - new_sets[apex])
        change.added_sets = tuple(new_sets[apex] - old_sets[apex])
    _compare_rows(old, new, difference)
    return difference


def _collect_sets(
    zones: Iterable[StoredZone], cuts: Iterable[StoredCut], hosts: Iterable[RRset]
) -> dict[bytes, set[RRset]]:
    """Put the RRsets at names that are no addresses together, but for the SOA."""
    found = {zone.apex: {zone.ns} for zone in zones}
    for cut in cuts:
        found[cut.apex].update((cut.ns, *cut.glue))
    for rrset in hosts:
        name = rrset.owner
        while name not in found and name[0]:
            name = name[1 + name[0] :]
        if name in found:
            found[name].add(rrset)
    return found


def _compare_rows(old: Snapshot, new: Content, difference: Difference) -> None:
    runs = _Runs(old.zones, new.zones)
    before, after = _Items(old.iter_items()), _Items(pack_runs(new.runs()))
    while (shelf := min(shelf_of(before.next[0]), shelf_of(after.next[0]))) != _END:
        if before.next == after.next and shelf < (quiet := runs.find_quiet_end(shelf)):
            _skip_equal(quiet, before, after)
        else:
            _compare_shelves(before.take(shelf), after.take(shelf), runs, difference)


def _compare_shelves(
    before: dict[bytes, bytes], after: dict[bytes, bytes], runs: "_Runs", difference: Difference
) -> None:
    """Compare the rows of some neighbouring addresses, which both stand in the order of the keys."""
    keys = sorted(before.keys() | after.keys()) if before.keys() != after.keys() else before
    for key in keys:
        old, new = before.get(key), after.get(key)
        source, target = runs.find(key)
        if old != new or source != target:
            difference.note(
                None if old is None else (key, old),
                None if new is None else (key, new),
                difference.zones.get(source or b""),
                difference.zones.get(target or b""),
            )


class _Items:
    """What stands in a snapshot's file, with a look at what is next; at the end it is something behind all keys."""

    def __init__(self, items: Iterator[Row]) -> None:
        self.items = chain(items, ((_END, b""),))
        self.next = next(self.items)

    def take(self, shelf: bytes) -> dict[bytes, bytes]:
        """Take what is next, as far as it belongs to a shelf: the rows of its addresses."""
        found = []
        item = self.next
        while shelf_of(item[0]) == shelf:
            found.append(item)
            item = next(self.items)
        self.next = item
        return dict(unpack_rows(found)) if found else {}


def _skip_equal(end: bytes, old_items: _Items, new_items: _Items) -> None:
    """Go over what is the same on both sides, up to a key."""
    old, new = old_items.next, new_items.next
    next_old, next_new = old_items.items.__next__, new_items.items.__next__
    # Nearly all of a million rows are equal: nothing stands in this loop but what it takes to see that.
    while old == new and old[0] < end:
        old, new = next_old(), next_new()
    old_items.next, new_items.next = old, new


class _Runs:
    """Says for each key which zone it was and is in; remembers the last answer, which mostly is the next one, too."""

    def __init__(self, old: Iterable[StoredZone], new: Iterable[StoredZone]) -> None:
        self._runs = [(b"", None, None), *_join_pieces(old, new), (_END, None, None)]
        self._starts = [start for start, _, _ in self._runs]
        self._start = self._end = b""
        self._zones: tuple[bytes | None, bytes | None] = None, None

    def find(self, key: bytes) -> tuple[bytes | None, bytes | None]:
        """Give the apexes of the zones that a key was and is in; None: in none."""
        if not self._start <= key < self._end:
            number = bisect_right(self._starts, key)
            self._start, *zones = self._runs[number - 1]
            self._end = self._starts[number]
            self._zones = zones[0], zones[1]
        return self._zones

    def find_quiet_end(self, shelf: bytes) -> bytes:
        """Give the shelf before which each one from `shelf` on was and is in one and the same zone."""
        source, target = self.find(shelf + b"\0")
        return shelf_of(self._end) if source == target else shelf


def _join_pieces(
    old: Iterable[StoredZone], new: Iterable[StoredZone]
) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
    """Cut the key space where a zone begins or ends, before or after.

    Returns:
        For each run of keys, in order: the key where it begins, and the apexes of the zones that it was and is in;
        None: in none.
    """
    old_edges, new_edges = _find_edges(old), _find_edges(new)
    source = target = None
    for start in sorted({*old_edges, *new_edges}):
        source, target = old_edges.get(start, source), new_edges.get(start, target)
        yield start, source, target


def _find_edges(zones: Iterable[StoredZone]) -> dict[bytes, bytes | None]:
    """Say which zone begins at which key, or that none does."""
    edges: dict[bytes, bytes | None] = {}
    for zone in zones:
        for first, last in zone.pieces:
            edges[first] = zone.apex
            after = (int.from_bytes(last, "big") + 1).to_bytes(len(last), "big")
            edges.setdefault(after, None)
    return edges
