from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.wire.records import RRset
from blackhole_guard.zones.segments import Segments
from blackhole_guard.zones.zone_set import Segment, Zone


def zone(block):
    network = ip_network(block)
    rrset = RRset(b"", 0, 0, ())
    return Zone(str(network).encode(), network, str(network), None, 0, rrset, rrset, None, None)


def segments(*blocks):
    networks = sorted(map(ip_network, blocks), key=lambda each: (each.network_address, each.prefixlen))
    return Segments(zone(each) for each in networks)


def show(segment):
    return f"{ip_address(segment.first)}-{ip_address(segment.last)} {segment.apex.decode()}"


def test_a_zone_is_what_no_smaller_one_takes_from_it():
    assert list(map(show, segments("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.255.0.0/16", "9.0.0.0/8"))) == [
        "9.0.0.0-9.255.255.255 9.0.0.0/8",
        "10.0.0.0-10.0.255.255 10.0.0.0/8",
        "10.1.0.0-10.1.1.255 10.1.0.0/16",
        "10.1.2.0-10.1.2.255 10.1.2.0/24",
        "10.1.3.0-10.1.255.255 10.1.0.0/16",
        "10.2.0.0-10.254.255.255 10.0.0.0/8",
        "10.255.0.0-10.255.255.255 10.255.0.0/16",
    ]


def test_a_zone_that_smaller_ones_fill_has_no_addresses_of_its_own():
    assert len(list(segments("10.0.0.0/24", "10.0.0.0/25", "10.0.0.128/25"))) == 2


@pytest.mark.parametrize(
    ("first", "last", "count"),
    [
        ("10.0.0.0", "10.0.0.255", 1),
        ("10.0.255.0", "10.1.1.0", 2),
        ("9.0.0.0", "11.0.0.0", 3),
        ("8.0.0.0", "9.0.0.0", 0),
    ],
)
def test_pieces_between_two_addresses(first, last, count):
    first, last = ip_address(first).packed, ip_address(last).packed
    found = list(segments("10.0.0.0/8", "10.1.0.0/16").within(first, last))
    assert len(found) == count
    assert all(first <= each.first <= each.last <= last for each in found)
    assert all(isinstance(each, Segment) for each in found)


blocks = st.sets(
    st.tuples(st.integers(0, 2**12 - 1), st.integers(20, 32)).map(
        lambda each: ip_network((0x0A000000 + each[0], each[1]), strict=False)
    ),
    max_size=12,
)


@given(blocks, st.integers(0, 2**12 + 9))
def test_an_address_is_in_the_smallest_zone_that_holds_it(found, offset):
    address = ip_address(0x0A000000 + offset)
    holders = [each for each in found if address in each]
    expected = str(max(holders, key=lambda each: each.prefixlen)).encode() if holders else None
    assert segments(*found).find(address.packed) == expected
