"""Shelves: the records of up to 256 neighbouring addresses under one key of the snapshot file.

A look-up among a million keys is cache misses in LMDB's tree: 0.9 us, against 0.3 among four thousand. So addresses
that differ in their last octet alone stand on one shelf, and what stands there is ready for a response.

Key of a shelf: the octet of the family, then the address without its last octet (1 + 3 or 1 + 15 octets). The shelf:

    octet 0     FIRST: the last octet of the first address that has records
    octet 1     LAST: of the last one
    from 2      LAST - FIRST + 1 offsets of two octets, big-endian, counted from the start of the shelf
    behind      entries: the values of single PTRs, see `keys`: an octet N, then N octets, an RR as a response holds it

An offset of 0 says that there are no records at its address; 0xFFFF, that they stand under the address's own key, as
`keys` describes them: a CNAME, several PTRs, a PTR that is too long for an entry, or one for which no room was left. An
address that is not from FIRST to LAST has no records.

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
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final

from blackhole_guard.store.content import Content, Row, Run
from blackhole_guard.store.keys import SHORTEST_ENTRY

APART: Final = 0xFFFF  # the offset that stands for an address's own key

_HEAD = 2  # octets before the offsets
_SPARSE = bytes((1, 0))  # instead of FIRST and LAST
_SPARSE_HEAD = 3
_MOST_PLACES = 4  # for each address that has records, where a shelf is not sparse
_LEAST_VALUE = bytes((SHORTEST_ENTRY,))  # values that sort before it are no entries
_ALONE = tuple(bytes((octet, octet, 0, 4)) for octet in range(256))  # what stands before the only entry of a shelf
_OCTETS = tuple(bytes((octet,)) for octet in range(256))
_ABOVE = b"\xff\xff"  # behind the key of a shelf: after all of its addresses
_ENOUGH = 1 << 11  # rows that are packed at once
_MOST_KEPT = 1 << 14  # shelves that are packed once for two uses; full ones have some 200 MB


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


def pack_and_keep(content: Content) -> Iterator[Row]:
    """Put content on shelves, and keep them for `pack_content` if they are not too many.

    A reload compares and then writes the same: 3.30 s for a million entries, 3.10 if they are packed once.
    """
    kept = list[Row]()
    for item in pack_runs(content.runs()):
        if len(kept) <= _MOST_KEPT:
            kept.append(item)
        yield item
    if len(kept) <= _MOST_KEPT:
        content.packed[:] = kept


def pack_content(content: Content) -> Iterator[Row]:
    """Put content on shelves, or take those that were kept."""
    return iter(content.packed) if content.packed else pack_runs(content.runs())


def pack_runs(runs: Iterable[Run]) -> Iterator[Row]:
    """Put rows on shelves.

    Args:
        runs: keys and values of addresses, in the order of the keys.
    Returns:
        Keys and values of the file, in the order of the keys.
    """
    keys, values = list[bytes](), list[bytes]()
    for more_keys, more_values in runs:
        keys += more_keys
        values += more_values
        if len(keys) >= _ENOUGH:
            end = bisect_left(keys, keys[-1][:-1])  # what is on the last shelf may go on in the next run
            yield from _pack_shelves(keys, values, end)
            del keys[:end], values[:end]
    yield from _pack_shelves(keys, values, len(keys))


def _pack_shelves(keys: list[bytes], values: list[bytes], end: int) -> Iterator[Row]:
    start = 0
    while start < end:
        key, value = keys[start], values[start]
        shelf = key[:-1]
        after = start + 1
        if after < end and keys[after].startswith(shelf):
            after = bisect_left(keys, shelf + _ABOVE, after, min(start + 256, end))
            yield from _pack_shelf(shelf, keys[start:after], values[start:after])
        elif value >= _LEAST_VALUE:  # random addresses of IPv6 stand alone, all of a million
            yield shelf, _ALONE[key[-1]] + value
        else:
            yield shelf, bytes((key[-1], key[-1], 0xFF, 0xFF))
            yield key, value
        start = after


def _pack_shelf(shelf: bytes, keys: list[bytes], values: list[bytes]) -> Iterator[Row]:
    octets = bytes([key[-1] for key in keys])
    places = octets[-1] - octets[0] + 1
    if places <= _MOST_PLACES * len(keys):
        head = octets[:1] + octets[-1:]
    else:
        head, places = _SPARSE + _OCTETS[len(keys)] + octets, len(keys)
    start = len(head) + 2 * places
    offsets = list(accumulate(map(len, values), initial=start))
    entries = values
    if offsets.pop() >= APART or min(values) < _LEAST_VALUE:
        entries, offsets = _set_apart(values, start)
    table = array("H", offsets) if places == len(keys) else _spread(octets, offsets)
    yield shelf, b"".join((head, _swap(table).tobytes(), *entries))
    if entries is not values:
        yield from ((key, value) for key, value, entry in zip(keys, values, entries, strict=True) if not entry)


def _set_apart(values: list[bytes], start: int) -> tuple[list[bytes], list[int]]:
    """Give the entries of a shelf, empty for what is none or finds no room, and the offsets."""
    entries, offsets = list[bytes](), list[int]()
    for value in values:
        fits = value >= _LEAST_VALUE and start < APART
        entries.append(value if fits else b"")
        offsets.append(start if fits else APART)
        start += len(entries[-1])
    return entries, offsets


def _spread(octets: bytes, offsets: list[int]) -> "array[int]":
    """Leave places between offsets for addresses without records."""
    first = octets[0]
    table = array("H", bytes(2 * (octets[-1] - first + 1)))
    for octet, offset in zip(octets, offsets, strict=True):
        table[octet - first] = offset
    return table


def _swap(table: "array[int]") -> "array[int]":
    if sys.byteorder == "little":
        table.byteswap()
    return table


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
    for octet, offset in zip(octets, _swap(array("H", shelf[start:end])), strict=True):
        if offset == APART:
            yield next(following)
        elif offset:
            yield key + _OCTETS[octet], shelf[offset : offset + 1 + shelf[offset]]
