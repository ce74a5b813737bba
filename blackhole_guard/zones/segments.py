"""Which zone holds which addresses, as pieces of the address space.

Zones lie in one another, so the addresses of a zone are what no smaller one takes from it: one or several pieces.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from blackhole_guard.zones.zone_set import Segment, Zone


class Segments:
    """The pieces of one address family, in order, without overlaps."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        """Cut the address space.

        Args:
            zones: of one address family, those that hold others before them, in address order.
        """
        self._segments: list[Segment] = []
        open_zones: list[Zone] = []
        self._next = 0
        for zone in zones:
            first, _ = _ends(zone)
            while open_zones and _ends(open_zones[-1])[1] < first:
                self._close(open_zones.pop())
            if open_zones:
                self._add(open_zones[-1], first - 1)
            self._next = first
            open_zones.append(zone)
        while open_zones:
            self._close(open_zones.pop())
        self._firsts = [segment.first for segment in self._segments]

    def _close(self, zone: Zone) -> None:
        self._add(zone, _ends(zone)[1])

    def _add(self, zone: Zone, last: int) -> None:
        if self._next <= last:
            assert zone.block is not None
            octets = zone.block.max_prefixlen // 8
            self._segments.append(Segment(self._next.to_bytes(octets, "big"), last.to_bytes(octets, "big"), zone.apex))
            self._next = last + 1

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)

    def find(self, address: bytes) -> bytes | None:
        """Find the apex of the smallest zone that holds an address."""
        index = bisect_right(self._firsts, address) - 1
        if index < 0 or self._segments[index].last < address:
            return None
        return self._segments[index].apex

    def within(self, first: bytes, last: bytes) -> Iterator[Segment]:
        """Walk the pieces of pieces between two addresses, both included."""
        for index in range(max(bisect_right(self._firsts, first) - 1, 0), len(self._segments)):
            segment = self._segments[index]
            if segment.first > last:
                return
            if segment.last >= first:
                yield Segment(max(segment.first, first), min(segment.last, last), segment.apex)


def _ends(zone: Zone) -> tuple[int, int]:
    assert zone.block is not None
    return int(zone.block.network_address), int(zone.block.broadcast_address)
