from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import join_labels, pack_name
from blackhole_guard.wire.values import LONGEST_NAME, SHORTEST_ENTRY, count_ptrs, make_cname, make_ptrs, read_value

OWNER = pack_name("3.0.0.10.in-addr.arpa")
host_names = st.lists(st.sampled_from([b"a", b"host-1", b"x" * 63, b"Example"]), min_size=1, max_size=3).map(
    join_labels
)


@given(st.lists(host_names, min_size=1, max_size=100), st.integers(0, 2**31 - 1))
def test_ptrs_are_read_as_they_were_written(names, ttl):
    value = make_ptrs(names[0] if len(names) == 1 else tuple(names), ttl)
    rrset = read_value(OWNER, value)
    assert (rrset.owner, rrset.rtype, rrset.ttl, rrset.rdatas) == (OWNER, RRType.PTR, ttl, tuple(names))
    assert count_ptrs(value) == len(names)


def test_a_cname_is_no_ptr():
    value = make_cname(pack_name("1.0/26.2.1.10.in-addr.arpa"), 7)
    rrset = read_value(b"\0", value)
    assert (rrset.rtype, rrset.ttl, rrset.rdatas) == (RRType.CNAME, 7, (pack_name("1.0/26.2.1.10.in-addr.arpa"),))
    assert count_ptrs(value) == 0


def test_an_entry_is_an_rr_as_a_response_holds_it_behind_its_length():
    assert make_ptrs(b"\1a\0", 60) == b"\x0f\xc0\x0c\0\x0c\0\1\0\0\0\x3c\0\3\1a\0"


def test_a_name_of_any_length_has_a_value_and_says_what_it_is():
    for size in range(1, 51):
        name = join_labels([b"x" * 63, b"x" * 63, b"x" * 63, b"y" * size])
        value = make_ptrs(name, 60)
        assert (value[0] >= SHORTEST_ENTRY) == (len(name) <= LONGEST_NAME)
        assert read_value(OWNER, value).rdatas == (name,)
    assert make_ptrs(b"\0", 60)[0] == SHORTEST_ENTRY
