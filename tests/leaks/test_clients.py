from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.clients import (
    ADDRESSES,
    NETWORKS,
    fold_client,
    format_client,
    is_client,
    network_key,
)


def packed(text):
    return ip_address(text).packed


@pytest.mark.parametrize(
    ("address", "shown"),
    [("10.1.2.3", "10.1.2.0/24"), ("fd00:1:2:3:4::5", "fd00:1:2::/56")],
)
def test_a_folded_client_is_its_network(address, shown):
    assert format_client(fold_client(packed(address), NETWORKS)) == shown
    assert format_client(fold_client(packed(address), ADDRESSES)) == address


@given(st.ip_addresses(), st.data())
def test_each_network_is_a_client_and_shown_as_one(address, data):
    prefix_length = data.draw(st.integers(1, address.max_prefixlen))
    key = network_key(address.packed, prefix_length)
    assert is_client(key)
    network = ip_network((address, prefix_length), strict=False)
    assert format_client(key) == str(network if prefix_length < address.max_prefixlen else address)


@given(st.ip_addresses(), st.data())
def test_a_network_is_folded_to_a_wider_one_only(address, data):
    prefix_length = data.draw(st.integers(1, address.max_prefixlen))
    folded = fold_client(network_key(address.packed, prefix_length), NETWORKS)
    kept = NETWORKS.ipv4 if address.version == 4 else NETWORKS.ipv6
    assert folded == network_key(address.packed, min(prefix_length, kept))


@pytest.mark.parametrize("key", [b"", b"abc", b"abcd\0", b"abcd\x20", b"x" * 16 + b"\x80", b"x" * 18])
def test_other_octets_are_no_client(key):
    assert not is_client(key)
