from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.wire.client_subnet import ClientSubnet, parse_client_subnet
from blackhole_guard.wire.errors import WireError


def render(family, prefix_length, address, scope=0):
    return family.to_bytes(2) + bytes((prefix_length, scope)) + address


@given(st.ip_addresses(), st.data())
def test_what_a_resolver_says_is_read(address, data):
    packed = address.packed
    prefix_length = data.draw(st.integers(0, 8 * len(packed)))
    host_bits = 8 * len(packed) - prefix_length
    network = (int.from_bytes(packed) >> host_bits << host_bits).to_bytes(len(packed))
    sent = render(1 if len(packed) == 4 else 2, prefix_length, network[: -(-prefix_length // 8)])
    assert parse_client_subnet(sent) == ClientSubnet(network, prefix_length)


@given(st.one_of(st.binary(max_size=24), st.binary(max_size=20).map(lambda rest: b"\0\x01" + rest)))
def test_any_octets_are_a_subnet_or_an_error(octets):
    try:
        address, prefix_length = parse_client_subnet(octets)
    except WireError as error:
        assert 0 <= error.offset <= len(octets)
        return
    ip_address(address)
    assert 0 <= prefix_length <= 8 * len(address)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\x01\x18",
        render(3, 24, b"\x0a\x01\x02"),  # no address family of the internet
        render(1, 33, b"\x0a\x01\x02\x03\0"),
        render(1, 24, b"\x0a\x01"),
        render(1, 24, b"\x0a\x01\x02\x03"),
        render(1, 20, b"\x0a\x01\x01"),  # a bit behind the prefix
        render(1, 24, b"\x0a\x01\x02", scope=24),  # a query has no scope
    ],
)
def test_what_no_query_may_have_is_an_error(data):
    with pytest.raises(WireError):
        parse_client_subnet(data)
