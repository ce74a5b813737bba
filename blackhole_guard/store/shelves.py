"""Shelves: the records of up to 256 neighbouring addresses under one key of the snapshot file.

A look-up among a million keys is cache misses in LMDB's tree: 0.9 us, against 0.3 among four thousand. So addresses
that differ in their last octet alone stand on one shelf, and what stands there is ready for a response.

Key of a shelf: the octet of the family, then the address without its last octet (1 + 3 or 1 + 15 octets). The shelf:

    octet 0     FIRST: the last octet of the first address that has records
    octet 1     LAST: of the last one
    from 2      LAST - FIRST + 1 offsets of two octets, big-endian, counted from the start of the shelf
    behind      entries: the values of single PTRs (wire.values): an octet N, then N octets, an RR of a response

An offset of 0 says that there are no records at its address; 0xFFFF, that their value stands under the address's own
key: a CNAME, several PTRs, a PTR that is too long for an entry, or one for which no room was left. An address that is
not from FIRST to LAST has no records.

Where the addresses are few and far apart, most offsets would be 0. Such a shelf is sparse, and shows it by a FIRST that
is larger than its LAST:

    octet 0, 1  1, 0
    octet 2     COUNT: how many addresses have records, 1 to 255
    from 3      their last octets, ascending
    behind      COUNT offsets in the same order, then entries, as above

The key of an address sorts behind that of its shelf and before that of the next one. There is no key of an address
without the shelf that points to it.
"""

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final

from blackhole_guard.store.content import Row
from blackhole_guard.store.keys import IPV4, IPV6
from blackhole_guard.wire.columns import Rows, read_numbers
from blackhole_guard.wire.values import SHORTEST_ENTRY

APART: Final = 0xFFFF  # the offset that stands for an address's own key

_HEAD = 2  # octets before the offsets
_SPARSE = bytes((1, 0))  # instead of FIRST and LAST
_SPARSE_HEAD = 3
_MOST_PLACES = 4  # for each address that has records, where a shelf is not sparse
_LEAST_VALUE = bytes((SHORTEST_ENTRY,))  # values that sort before it are no entries
_ALONE = tuple(bytes((octet, octet, 0, 4)) for octet in range(256))  # what stands before the only entry of a shelf
_OCTETS = tuple(bytes((octet,)) for octet in range(256))
_FAMILIES = {4: IPV4, 16: IPV6}


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
    elif first <= last:
        return 0
    else:
        count = shelf[2]
        index = bytes(shelf[_SPARSE_HEAD : _SPARSE_HEAD + count]).find(octet)
        if index < 0:
            return 0
        place = _SPARSE_HEAD + count + 2 * index
    return shelf[place] << 8 | shelf[place + 1]


def read_entry(shelf: bytes | memoryview, offset: int) -> bytes:
    """Copy an entry out of a shelf: the value of a single PTR."""
    return bytes(shelf[offset : offset + 1 + shelf[offset]])


def has_records(shelf: bytes | memoryview, first: int, last: int) -> bool:
    """Say whether one of some addresses, given by their last octets, both included, has records."""
    return any(find_offset(shelf, octet) for octet in range(first, last + 1))


def pack_runs(runs: Iterable[Rows]) -> Iterator[Row]:
    """Put rows on shelves.

    Args:
        runs: in the order of the keys; the rows of a shelf are in one run.
    Returns:
        Keys and values of the file, in the order of the keys.
    """
    for run in runs:
        family = _FAMILIES[run.width]
        octets = run.addresses[run.width - 1 :: run.width]
        position = 0
        for start, end in _find_shelves(run):
            address = run.addresses[start * run.width : (start + 1) * run.width]
            shelf, sizes = family + address[:-1], run.sizes[start:end]
            after = position + sum(sizes)
            values, position = run.values[position:after], after
            if run.has_entries_only:
                yield from _pack_entries(shelf, octets[start:end], values, sizes)
            else:
                yield from _pack_values(shelf, octets[start:end], _divide(values, sizes))


def _find_shelves(run: Rows) -> Iterator[tuple[int, int]]:
    """Give the first row of each shelf, and the first one behind it."""
    width, addresses = run.width, run.addresses
    start, end = 0, len(run.sizes)
    numbers = read_numbers(addresses) if width == 4 else None
    while start < end:
        if numbers is not None:
            after = bisect_right(numbers, numbers[start] | 255, start, min(start + 256, end))
        else:  # random addresses of IPv6 stand alone, all of a million
            prefix, after = addresses[start * width : (start + 1) * width - 1], start + 1
            while addresses.startswith(prefix, after * width):
                after += 1
        yield start, after
        start = after


def _divide(octets: bytes, sizes: Iterable[int]) -> list[bytes]:
    ends = list(accumulate(sizes, initial=0))
    return [octets[start:end] for start, end in pairwise(ends)]


def _pack_entries(shelf: bytes, octets: bytes, entries: bytes, sizes: Sequence[int]) -> Iterator[Row]:
    """Pack a shelf on which there is nothing but entries."""
    if len(octets) == 1:
        yield shelf, _ALONE[octets[0]] + entries
        return
    head, places = _make_head(octets)
    start = len(head) + 2 * places
    if start + len(entries) >= APART:
        yield from _pack_values(shelf, octets, _divide(entries, sizes))
        return
    offsets = array("H", accumulate(sizes, initial=start))
    offsets.pop()
    table = offsets if places == len(octets) else _spread(octets, offsets)
    yield shelf, b"".join((head, _swap(table), entries))


def _pack_values(shelf: bytes, octets: bytes, values: Sequence[bytes]) -> Iterator[Row]:
    """Pack a shelf of any values: what is no entry stands apart, and what finds no room."""
    if len(octets) == 1 and values[0] < _LEAST_VALUE:
        yield shelf, octets * 2 + b"\xff\xff"
        yield shelf + octets, values[0]
        return
    head, places = _make_head(octets)
    entries, offsets = _set_apart(values, len(head) + 2 * places)
    table = array("H", offsets) if places == len(octets) else _spread(octets, offsets)
    yield shelf, b"".join((head, _swap(table), *entries))
    for octet, value, entry in zip(octets, values, entries, strict=True):
        if not entry:
            yield shelf + _OCTETS[octet], value


def _make_head(octets: bytes) -> tuple[bytes, int]:
    """Give what stands before the offsets, and how many places for offsets there are."""
    places = octets[-1] - octets[0] + 1
    if places <= _MOST_PLACES * len(octets):
        return octets[:1] + octets[-1:], places
    return _SPARSE + _OCTETS[len(octets)] + octets, len(octets)


def _set_apart(values: Iterable[bytes], start: int) -> tuple[list[bytes], list[int]]:
    """Give the entries of a shelf, empty for what is none or finds no room, and the offsets."""
    entries, offsets = list[bytes](), list[int]()
    for value in values:
        fits = value >= _LEAST_VALUE and start < APART
        entries.append(value if fits else b"")
        offsets.append(start if fits else APART)
        start += len(entries[-1])
    return entries, offsets


def _spread(octets: bytes, offsets: Sequence[int]) -> "array[int]":
    """Leave places between offsets for addresses without records."""
    first = octets[0]
    table = array("H", bytes(2 * (octets[-1] - first + 1)))
    for octet, offset in zip(octets, offsets, strict=True):
        table[octet - first] = offset
    return table


def _swap(offsets: "array[int]") -> bytes:
    if sys.byteorder == "little":
        offsets.byteswap()
    return offsets.tobytes()


def unpack_rows(items: Iterable[Row]) -> Iterator[Row]:
    """Take shelves apart: the opposite of `pack_runs`."""
    source = iter(items)
    for key, value in source:
        if len(key) & 1:
            yield key, value
        elif value.startswith(_ALONE[value[0]]):
            yield key + value[:1], value[4:]
        else:
            yield from _unpack_shelf(key, value, source)


def _unpack_shelf(key: bytes, shelf: bytes, following: Iterator[Row]) -> Iterator[Row]:
    """Take one shelf apart; what stands apart is next behind it, and comes in its turn."""
    first, last = shelf[0], shelf[1]
    if first <= last:
        octets, start, end = bytes(range(first, last + 1)), _HEAD, _HEAD + 2 * (last - first + 1)
    else:
        start, end = _SPARSE_HEAD + shelf[2], _SPARSE_HEAD + 3 * shelf[2]
        octets = shelf[_SPARSE_HEAD:start]
    for octet, offset in zip(octets, array("H", _swap(array("H", shelf[start:end]))), strict=True):
        if offset == APART:
            yield next(following)
        elif offset:
            yield key + _OCTETS[octet], shelf[offset : offset + 1 + shelf[offset]]
