"""Last octets that a block completes, over all blocks."""

from ipaddress import IPv4Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.config.problems import FileProblems, ValueProblem
from blackhole_guard.sources.ptr_keys import check_addresses, complete_address
from blackhole_guard.wire.columns import Addresses

blocks = st.tuples(st.ip_addresses(v=4), st.integers(8, 31)).map(lambda drawn: ip_network(drawn, strict=False))


@given(blocks, st.data())
def test_the_octets_that_a_block_leaves_open_complete_its_addresses(block, data):
    address = data.draw(st.ip_addresses(network=str(block), v=4))
    octets = str(address).split(".")[block.prefixlen // 8 :]
    assert complete_address(".".join(octets), block) == address.packed


@given(blocks, st.lists(st.integers(0, 255), min_size=1, max_size=3))
def test_more_or_fewer_octets_than_are_open_are_refused(block, octets):
    key = ".".join(map(str, octets))
    if len(octets) == 4 - block.prefixlen // 8:
        assert len(complete_address(key, block)) == 4
    else:
        with pytest.raises(ValueProblem) as caught:
            complete_address(key, block)
        assert "write the whole address" in caught.value.hint


@pytest.mark.parametrize(
    ("key", "block", "said"),
    [
        ("3", "fd00::/8", "is no IPv6 address"),
        ("3", "10.0.0.3/32", "leaves none open"),
        ("03", "10.0.0.0/24", "leading zero"),
        ("256", "10.0.0.0/24", "octet above 255"),
    ],
)
def test_a_key_that_completes_to_nothing(key, block, said):
    with pytest.raises(ValueProblem) as caught:
        complete_address(key, ip_network(block))
    assert said in caught.value.what and caught.value.hint


@given(blocks, st.lists(st.ip_addresses(v=4), max_size=8))
def test_each_row_outside_and_each_second_row_is_told(block, addresses):
    problems = FileProblems("map.yaml")
    lines = list(range(1, len(addresses) + 1))
    packed = [address.packed for address in addresses]
    check_addresses(Addresses(packed), lines, block, problems)
    outside = [line for line, address in zip(lines, addresses, strict=True) if address not in block]
    again = [line for line, address in zip(lines, packed, strict=True) if address in packed[: line - 1]]
    assert sorted(problem.place.line for problem in problems.errors) == sorted(outside + again)


def test_an_address_of_the_other_family_is_outside():
    problems = FileProblems("map.yaml")
    check_addresses([IPv4Address("10.0.0.1").packed, b"\x0a" + bytes(15)], [1, 2], ip_network("10.0.0.0/8"), problems)
    assert [str(problem).partition(";")[0] for problem in problems.errors] == [
        "map.yaml:2: a00:: lies outside 10.0.0.0/8"
    ]
