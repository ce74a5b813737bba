"""Columns of addresses and of their records, without an object for each: there may be a million of them.

A row's octets stand behind those of the row before. A single row is cut out when somebody asks for it; what is done
with all of them is done by what the interpreter does at once for many.
"""

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from operator import lt
from typing import NamedTuple

from blackhole_guard.wire.values import SHORTEST_ENTRY, UNKNOWN_TTL

_IPV4, _IPV6 = 4, 16  # octets
_LEAST_ENTRY = bytes((SHORTEST_ENTRY,))  # values that sort before it are no entries
_NO_TTL = UNKNOWN_TTL.to_bytes(4, "big")


class Rows(NamedTuple):
    """Some rows of one address family, in the order of the addresses."""

    width: int  # octets of an address: 4 or 16
    addresses: bytes  # one behind the other
    values: bytes  # the same; see `values`
    sizes: Sequence[int]  # octets of each value
    has_entries_only: bool  # False: there may be other values, too

    @classmethod
    def of(cls, addresses: "Addresses", values: "Values") -> "Rows":
        """Give all of two columns that are in order."""
        octets = values.read(0, values.size_before(len(values)))
        return cls(addresses.width, bytes(addresses.octets), octets, values.sizes, values.has_entries_only)


class Addresses:
    """Addresses of one family, in any order."""

    __slots__ = ("octets", "width")

    def __init__(self, addresses: Iterable[bytes] = ()) -> None:
        """Begin with these; all have 4 or all have 16 octets."""
        self.octets = bytearray()
        self.width = _IPV4
        self.extend(list(addresses))

    def __len__(self) -> int:
        return len(self.octets) // self.width

    def __getitem__(self, row: int) -> bytes:
        start = row * self.width
        if not 0 <= start < len(self.octets):
            raise IndexError(row)
        return bytes(self.octets[start : start + self.width])

    def __iter__(self) -> Iterator[bytes]:
        octets, width = bytes(self.octets), self.width
        return (octets[start : start + width] for start in range(0, len(octets), width))

    def extend(self, addresses: Sequence[bytes]) -> None:
        """Add addresses; raises ValueError if some are of another family."""
        if not addresses:
            return
        octets = b"".join(addresses)
        width = self.width if self.octets else len(addresses[0])
        if len(octets) != width * len(addresses) or width not in (_IPV4, _IPV6):
            raise ValueError("addresses of two families")
        self.octets += octets
        self.width = width

    def take(self, others: "Addresses") -> None:
        """Take over all of another column, which is empty then; raises ValueError if it is of another family."""
        if self.octets and others.octets and self.width != others.width:
            raise ValueError("addresses of two families")
        self.width = others.width if others.octets else self.width
        self.octets += others.octets
        others.octets = bytearray()

    def put(self, row: int, address: bytes) -> None:
        """Put another address of the same family into a row."""
        self.octets[row * self.width : (row + 1) * self.width] = address

    def is_ascending(self) -> bool:
        """Say whether each address is larger than the one before."""
        if self.width == _IPV4:
            numbers = self._numbers()
            return all(map(lt, numbers, islice(numbers, 1, None)))
        return all(map(lt, self, islice(self, 1, None)))

    def order(self) -> list[int]:
        """Give the rows in the order of their addresses; equal ones stay as they are."""
        keys: Sequence[int] | list[bytes] = self._numbers() if self.width == _IPV4 else list(self)
        return sorted(range(len(self)), key=keys.__getitem__)

    def pick(self, rows: Iterable[int]) -> "Addresses":
        """Give some rows, in this order."""
        return Addresses(map(self.__getitem__, rows))

    def _numbers(self) -> "array[int]":
        return read_numbers(self.octets)


def read_numbers(octets: bytes | bytearray) -> "array[int]":
    """Read IPv4 addresses that stand one behind the other, as numbers."""
    numbers = array("I", octets)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


class Values:
    """Values of addresses, in any order."""

    __slots__ = ("_ends", "_pieces", "_starts", "has_entries_only", "sizes")

    def __init__(self, values: Iterable[bytes] = ()) -> None:
        """Begin with these, each of less than 64 KiB."""
        self._pieces = [bytearray()]  # the octets; what is taken over from another column is not copied
        self._starts = [0]  # of each piece, counted from the first one's start
        self.sizes = array("H")
        self.has_entries_only = True
        self._ends: array[int] | None = None
        self.extend(list(values))

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, row: int) -> bytes:
        end = self._find_ends()[row]
        return self.read(end - self.sizes[row], end)

    def __iter__(self) -> Iterator[bytes]:
        return map(self.__getitem__, range(len(self)))

    def _find_ends(self) -> "array[int]":
        if self._ends is None or len(self._ends) != len(self.sizes):
            self._ends = array("I", accumulate(self.sizes))
        return self._ends

    def extend(self, values: Sequence[bytes]) -> None:
        """Add values."""
        if values:
            self._pieces[-1] += b"".join(values)
            self.sizes.extend(map(len, values))
            self.has_entries_only &= min(values) >= _LEAST_ENTRY

    def take(self, others: "Values") -> None:
        """Take over all of another column, which is empty then: a million rows must not stand there twice."""
        end = self._starts[-1] + len(self._pieces[-1])
        self._pieces += others._pieces
        self._starts += [end + start for start in others._starts]
        self.sizes += others.sizes
        self.has_entries_only &= others.has_entries_only
        others._pieces, others._starts, others.sizes = [bytearray()], [0], array("H")

    def read(self, start: int, end: int) -> bytes:
        """Give some of the octets."""
        number = bisect_right(self._starts, start) - 1
        found, start = [], start - self._starts[number]
        end -= self._starts[number]
        while end > 0:
            piece = self._pieces[number]
            found.append(bytes(piece[start:end]))
            start, end, number = 0, end - len(piece), number + 1
        return b"".join(found)

    def settle_ttl(self, ttl: int) -> None:
        """Put a TTL in seconds where none was known."""
        # No other four octets are these: names are ASCII, lengths and counts stand alone, TTLs begin with a zero bit.
        known = ttl.to_bytes(4, "big")
        self._pieces = [piece.replace(_NO_TTL, known) for piece in self._pieces]

    def size_before(self, row: int) -> int:
        """Give the octets of all rows before one."""
        return sum(self.sizes[:row])

    def pick(self, rows: Iterable[int]) -> "Values":
        """Give some rows, in this order."""
        return Values(map(self.__getitem__, rows))
