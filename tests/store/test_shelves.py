from bisect import bisect_left

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from store_content import iter_runs

from blackhole_guard.store.keys import make_key
from blackhole_guard.store.shelves import (
    APART,
    find_offset,
    has_records,
    pack_runs,
    read_entry,
    shelf_of,
    unpack_rows,
)
from blackhole_guard.wire.names import join_labels, pack_name
from blackhole_guard.wire.records import RRset
from blackhole_guard.wire.values import make_cname, make_ptrs, read_value

LONGEST_NAME = join_labels([b"x" * 63, b"x" * 63, b"x" * 63, b"y" * 49])  # that an entry has room for
TOO_LONG_NAME = join_labels([b"x" * 63, b"x" * 63, b"x" * 63, b"y" * 50])
NAME = pack_name("host-1.example.com")

ptr, cname = make_ptrs, make_cname


def four(number):
    return make_key(bytes((10, number >> 16, number >> 8 & 255, number & 255)))


def six(number):
    return make_key(b"\xfd" + number.to_bytes(15, "big"))


def pack(rows, most=1):
    return list(pack_runs(iter_runs(list(rows), most)))


def look_up(items, key):
    """Look an address up as a reader of the file does."""
    shelf = items.get(shelf_of(key))
    if shelf is None:
        return None
    offset = find_offset(memoryview(shelf), key[-1])
    if offset == APART:
        return items.get(key)
    return read_entry(memoryview(shelf), offset) if offset else None


near = st.integers(0, 3 * 256) | st.integers(0, 2**24 - 1)  # some shelves full of them, and some that stand alone
keys = near.map(four) | near.map(six)
names = st.sampled_from([NAME, b"\0", LONGEST_NAME, TOO_LONG_NAME, pack_name("a.example.net")])
values = st.one_of(
    st.builds(ptr, names, st.integers(0, 2**31 - 1)),
    st.builds(ptr, st.lists(names, min_size=2, max_size=4).map(tuple), st.just(60)),
    st.builds(cname, names, st.just(60)),
)


@given(st.dictionaries(keys, values, max_size=60), st.lists(keys, max_size=20), st.integers(1, 70))
def test_what_is_put_on_shelves_is_found_there(rows, others, most):
    packed = pack(sorted(rows.items()), most)
    assert [key for key, _ in packed] == sorted({key for key, _ in packed})  # LMDB appends
    assert list(unpack_rows(packed)) == sorted(rows.items())
    items = dict(packed)
    for key in {*rows, *others}:
        assert look_up(items, key) == rows.get(key)


@given(st.dictionaries(st.integers(0, 255), values, min_size=1), st.integers(0, 255), st.integers(0, 15))
def test_whether_anything_is_on_a_part_of_a_shelf(row_of, first, more):
    shelf = dict(pack((four(octet), value) for octet, value in sorted(row_of.items())))[four(0)[:-1]]
    last = min(first + more, 255)
    assert has_records(shelf, first, last) == any(first <= octet <= last for octet in row_of)


@pytest.mark.parametrize("key_of", [four, six])
@pytest.mark.parametrize("step", [1, 2, 15, 256, 300])  # every address; every other one; sparse; alone
def test_more_rows_than_are_taken_at_once(key_of, step):
    rows = [(key_of(number), ptr(NAME, number)) for number in range(0, 20_000 * step, step)]
    packed = pack(rows, 1000)
    assert list(unpack_rows(packed)) == rows
    assert {shelf_of(key) for key, _ in rows} == {key for key, _ in packed if key == shelf_of(key)}


def test_the_octets_of_a_shelf_are_those_that_are_documented():
    rows = [(four(3), ptr(b"\1a\0", 60)), (four(5), cname(NAME, 60)), (four(6), ptr(b"\1b\0", 61))]
    first, second = (b"\x0f\xc0\x0c\0\x0c\0\1\0\0\0%c\0\3\1%c\0" % each for each in ((60, b"a"), (61, b"b")))
    offsets = bytes((0, 10, 0, 0, 0xFF, 0xFF, 0, 26))
    assert pack(rows) == [(b"\4\x0a\0\0", b"\3\6" + offsets + first + second), rows[1]]


def test_the_octets_of_a_sparse_shelf_are_those_that_are_documented():
    rows = [(four(3), ptr(b"\1a\0", 60)), (four(5), cname(NAME, 60)), (four(0xFE), ptr(b"\1b\0", 61))]
    first, second = (b"\x0f\xc0\x0c\0\x0c\0\1\0\0\0%c\0\3\1%c\0" % each for each in ((60, b"a"), (61, b"b")))
    octets, offsets = b"\3\5\xfe", bytes((0, 12, 0xFF, 0xFF, 0, 28))
    assert pack(rows) == [(b"\4\x0a\0\0", b"\1\0\3" + octets + offsets + first + second), rows[1]]


def test_a_full_shelf_of_the_longest_entries_puts_the_last_ones_apart():
    rows = [(four(octet), ptr(LONGEST_NAME, octet)) for octet in range(256)]
    assert {len(value) for _, value in rows} == {256}
    packed = pack(rows)
    offsets = [find_offset(packed[0][1], octet) for octet in range(256)]
    assert bisect_left(offsets, APART) == 254  # 514 octets before them, and 254 x 256 is the last offset below 0xffff
    assert packed[1:] == rows[254:]
    assert list(unpack_rows(packed)) == rows
    assert [look_up(dict(packed), key) for key, _ in rows] == [value for _, value in rows]


@pytest.mark.parametrize(("short", "offset"), [(237, 0xFFFE), (238, APART)])
def test_no_entry_stands_where_its_offset_would_say_apart(short, offset):
    sizes = [242] * 254 + [short, 4]
    rows = [(four(octet), ptr(name_of(size), 60)) for octet, size in enumerate(sizes)]
    packed = pack(rows)
    assert find_offset(packed[0][1], 255) == offset
    assert packed[1:] == (rows[255:] if offset == APART else [])
    assert list(unpack_rows(packed)) == rows


def name_of(size):
    """Make a name of so many octets."""
    long, rest = divmod(size - 1, 64)
    return join_labels([b"x" * 63] * long + [b"y" * (rest - 1)])


@given(names, st.integers(0, 2**31 - 1))
@example(LONGEST_NAME, 0)
@example(TOO_LONG_NAME, 0)
def test_an_entry_is_a_resource_record_behind_its_length(name, ttl):
    value = ptr(name, ttl)
    ready = b"\xc0\x0c\0\x0c\0\1" + ttl.to_bytes(4, "big") + len(name).to_bytes(2, "big") + name
    if len(ready) <= 255:
        assert value == bytes((len(ready),)) + ready
    else:
        assert value[0] == 1
    assert read_value(b"\0", value) == RRset(b"\0", 12, ttl, (name,))
