"""Shelves: the records of up to 256 neighbouring addresses under one key of the snapshot file.

A look-up among a million keys is cache misses in LMDB's tree: 0.9 us, against 0.3 among four thousand. So addresses
that differ in their last octet alone stand on one shelf, and what stands there is ready for a response.

Key of a shelf: the octet of the family, then the address without its last octet (1 + 3 or 1 + 15 octets). The shelf:

    octet 0     FIRST: the last octet of the first address that has a place on it
    octet 1     LAST: of the last one
    from 2      LAST - FIRST + 1 offsets of two octets, big-endian, counted from the start of the shelf
    behind      entries: the values of single PTRs, see `keys`: an octet N, then N octets, an RR as a response holds it

An offset of 0 says that there are no records at its address; 0xFFFF, that they stand under the address's own key, as
`keys` describes them: a CNAME, several PTRs, a PTR that is too long for an entry, or one for which no room was left. An
address that is not from FIRST to LAST has no records, but where LAST is smaller than FIRST: there are so few addresses,
so far apart, that the offsets would take more room than they are worth, and each that has records has its own key.

The key of an address sorts behind that of its shelf and before that of the next one. Addresses have keys of their own
only where there is a shelf for them, too.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate, islice
from typing import Final

from blackhole_guard.store.content import Row
from blackhole_guard.store.keys import SHORTEST_ENTRY

APART: Final = 0xFFFF  # the offset that stands for an address's own key

_HEAD = 2  # octets before the offsets
_SPARSE = bytes((1, 0))  # a shelf without offsets
_MOST_OFFSETS = 64  # octets for each address that has records; a million random ones in a /8 need 30
_LEAST_VALUE = bytes((SHORTEST_ENTRY,))  # values that sort before it are no entries
_ALONE = tuple(bytes((octet, octet, 0, 4)) for octet in range(256))  # what stands before the only entry of a shelf
_OCTETS = tuple(bytes((octet,)) for octet in range(256))
_ABOVE = b"\xff\xff"  # behind the key of a shelf: after all of its addresses
_CHUNK = 1 << 13  # rows that are taken from a stream at once


def shelf_of(key: bytes) -> bytes:
    """Give the key of the shelf that a key belongs to: a shelf's own or that of an address."""
    return key[:-1] if len(key) & 1 else key


def find_offset(shelf: bytes | memoryview, octet: int) -> int:
    """Find where on a shelf the entry of an address is; 0: it has no records; APART: look under its own key.

    Args:
        octet: the last one of the address.
    """
    first, last = shelf[0], shelf[1]
    if first <= octet <= last:
        place = _HEAD + 2 * (octet - first)
        return shelf[place] << 8 | shelf[place + 1]
    return APART if last < first else 0


def read_entry(shelf: bytes | memoryview, offset: int) -> bytes:
    """Copy an entry out of a shelf: the value of a single PTR."""
    return bytes(shelf[offset : offset + 1 + shelf[offset]])


def has_records(shelf: bytes | memoryview, first: int, last: int) -> bool:
    """Say whether a shelf with offsets has records at one of some addresses, given by their last octets, inclusive."""
    return any(find_offset(shelf, octet) for octet in range(first, last + 1))


def is_sparse(shelf: bytes | memoryview) -> bool:
    """Say whether a shelf has no offsets: all of its addresses have keys of their own."""
    return shelf[1] < shelf[0]


def pack_rows(rows: Iterable[Row]) -> Iterator[Row]:
    """Put rows on shelves.

    Args:
        rows: keys and values of addresses, in the order of the keys.
    Returns:
        Keys and values of the file, in the order of the keys.
    """
    source, held = iter(rows), list[Row]()
    while chunk := list(islice(source, _CHUNK)):
        held += chunk
        end = bisect_left(held, (held[-1][0][:-1],))  # what is on the last shelf may go on in the next chunk
        yield from _pack_shelves(held, end)
        del held[:end]
    yield from _pack_shelves(held, len(held))


def _pack_shelves(rows: list[Row], end: int) -> Iterator[Row]:
    start = 0
    while start < end:
        key, value = rows[start]
        shelf = key[:-1]
        after = start + 1
        if after < end and rows[after][0][:-1] == shelf:
            after = bisect_left(rows, (shelf + _ABOVE,), after, min(start + 256, end))
            yield from _pack_shelf(shelf, rows[start:after])
        elif value >= _LEAST_VALUE:  # random addresses of IPv6 stand alone, all of a million
            yield shelf, _ALONE[key[-1]] + value
        else:
            yield from _pack_shelf(shelf, rows[start:after])
        start = after


def _pack_shelf(key: bytes, rows: list[Row]) -> Iterator[Row]:
    octets = [row[0][-1] for row in rows]
    first, last = octets[0], octets[-1]
    size = 2 * (last - first + 1)
    if size > _MOST_OFFSETS * len(rows):
        yield key, _SPARSE
        yield from rows
        return
    entries = [row[1] for row in rows]
    if min(entries) < _LEAST_VALUE:
        entries = [entry if entry >= _LEAST_VALUE else b"" for entry in entries]
    offsets = list(accumulate(map(len, entries[:-1]), initial=_HEAD + size))
    if offsets[-1] >= APART:
        fitting = bisect_left(offsets, APART)
        entries[fitting:] = [b""] * (len(rows) - fitting)
    apart = [row for row, entry in zip(rows, entries, strict=True) if not entry] if b"" in entries else []
    if apart:
        offsets = [offset if entry else APART for offset, entry in zip(offsets, entries, strict=True)]
    yield key, b"".join((bytes((first, last)), _pack_offsets(octets, offsets), *entries))
    yield from apart


def _pack_offsets(octets: list[int], offsets: list[int]) -> bytes:
    first, places = octets[0], octets[-1] - octets[0] + 1
    if places == len(octets):
        table = array("H", offsets)
    else:
        table = array("H", bytes(2 * places))
        for octet, offset in zip(octets, offsets, strict=True):
            table[octet - first] = offset
    return _swap(table).tobytes()


def _swap(table: "array[int]") -> "array[int]":
    if sys.byteorder == "little":
        table.byteswap()
    return table


def unpack_rows(items: Iterable[Row]) -> Iterator[Row]:
    """Take shelves apart: the opposite of `pack_rows`."""
    source = iter(items)
    for key, value in source:
        if len(key) & 1:
            yield key, value
        else:
            yield from _unpack_shelf(key, value, source)


def _unpack_shelf(key: bytes, shelf: bytes, following: Iterator[Row]) -> Iterator[Row]:
    """Take one shelf apart; what stands apart is next behind it, and comes in its turn."""
    offsets = _swap(array("H", shelf[_HEAD : _HEAD + 2 * max(0, shelf[1] - shelf[0] + 1)]))
    for octet, offset in enumerate(offsets, shelf[0]):
        if offset == APART:
            yield next(following)
        elif offset:
            yield key + _OCTETS[octet], shelf[offset : offset + 1 + shelf[offset]]
