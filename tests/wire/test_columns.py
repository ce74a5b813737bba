import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.wire.columns import Addresses, Values, read_numbers
from blackhole_guard.wire.names import pack_name
from blackhole_guard.wire.values import UNKNOWN_TTL, make_cname, make_ptrs, read_value

four, six = st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)
few = st.sampled_from([bytes((10, 0, octet, 255)) for octet in (0, 1, 255)])
addresses = st.lists(four | few) | st.lists(six)
V4, V6 = bytes(4), bytes(16)
A, B = pack_name("a.example.com"), pack_name("b.example.com")
ttls = st.just(UNKNOWN_TTL) | st.sampled_from([0, 0xFFFFFF, 2**31 - 1]) | st.integers(0, 2**31 - 1)
values = st.builds(make_ptrs, st.sampled_from([A, B, (A, B), b"\0"]), ttls) | st.builds(make_cname, st.just(A), ttls)


@given(addresses, st.integers(0, 20))
def test_addresses_come_out_as_they_went_in(given_addresses, half):
    column = Addresses(given_addresses[:half])
    column.extend(given_addresses[half:])
    assert list(column) == [column[row] for row in range(len(column))] == given_addresses
    assert column.is_ascending() == (given_addresses == sorted(set(given_addresses)))
    assert column.order() == sorted(range(len(column)), key=given_addresses.__getitem__)
    assert list(column.pick(column.order())) == sorted(given_addresses)
    with pytest.raises(IndexError):
        column[len(column)]


@given(addresses, addresses)
def test_a_column_takes_another_ones_rows(one, other):
    first, second = Addresses(one), Addresses(other)
    if one and other and len(one[0]) != len(other[0]):
        with pytest.raises(ValueError, match="two families"):
            first.take(second)
        assert (list(first), list(second)) == (one, other)
    else:
        first.take(second)
        assert (list(first), list(second)) == (one + other, [])


@pytest.mark.parametrize("rows", [[V4, V6], [V6, V4], [b""], [bytes(5)], [bytes(3), bytes(5)]])
def test_addresses_of_two_families_are_refused_and_nothing_is_taken(rows):
    column = Addresses()
    with pytest.raises(ValueError, match="two families"):
        column.extend(rows)
    assert list(column) == []


def test_a_row_is_given_another_address():
    column = Addresses([bytes(4), b"\x0a\0\0\1"])
    column.put(0, b"\x0a\0\0\0")
    assert list(column) == [b"\x0a\0\0\0", b"\x0a\0\0\1"]


def test_numbers_are_those_of_the_addresses():
    assert list(read_numbers(bytes((10, 0, 0, 1, 255, 255, 255, 255)))) == [0x0A000001, 0xFFFFFFFF]


@given(st.lists(values), st.lists(values), st.integers(0, 2**31 - 1))
def test_values_come_out_as_they_went_in_but_for_ttls_that_were_not_known(one, other, ttl):
    column, second = Values(one), Values(other)
    assert list(column) == one
    column.take(second)
    assert (list(column), list(second)) == (one + other, [])
    assert column.has_entries_only == all(value[0] > 1 for value in one + other)
    assert [column.size_before(row) for row in range(len(column) + 1)][-1] == len(b"".join(one + other))
    rows = list(reversed(range(len(column))))
    assert list(column.pick(rows)) == (one + other)[::-1]
    octets, ends = b"".join(one + other), range(0, len(b"".join(one + other)) + 1, 7)
    assert all(column.read(start, end) == octets[start:end] for start in ends for end in ends if start <= end)
    column.settle_ttl(ttl)
    for before, after in zip(one + other, column, strict=True):
        rrset, settled = read_value(A, before), read_value(A, after)
        assert settled.rdatas == rrset.rdatas
        assert settled.ttl == (ttl if rrset.ttl == UNKNOWN_TTL else rrset.ttl)
