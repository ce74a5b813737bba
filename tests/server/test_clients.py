"""Who a message comes from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.server.clients import find_drop_reason, group_client, pack_address, unmap_address


@pytest.mark.parametrize(
    ("source", "port", "reason"),
    [
        ("127.0.0.1", 1, None),
        ("127.0.0.1", 65535, None),
        ("127.0.0.1", 53, None),  # a resolver that asks from its own port
        ("127.0.0.1", 0, "source_port"),
        ("127.0.0.1", 7, "source_port"),
        ("127.0.0.1", 13, "source_port"),
        ("127.0.0.1", 17, "source_port"),
        ("127.0.0.1", 19, "source_port"),
        ("127.0.0.1", 37, "source_port"),
        ("::1", 19, "source_port"),
        ("0.0.0.0", 1024, "source_address"),
        ("0.1.2.3", 1024, "source_address"),
        ("1.0.0.0", 1024, None),
        ("223.255.255.255", 1024, None),
        ("224.0.0.1", 1024, "source_address"),
        ("239.255.255.255", 1024, "source_address"),
        ("240.0.0.1", 1024, None),
        ("255.255.255.254", 1024, None),
        ("255.255.255.255", 1024, "source_address"),
        ("::", 1024, "source_address"),
        ("::1", 1024, None),
        ("ff02::1", 1024, "source_address"),
        ("feff::1", 1024, None),
        ("::ffff:224.0.0.1", 1024, "source_address"),
        ("::ffff:10.0.0.1", 1024, None),
        ("fe80::1%eth0", 1024, None),
    ],
)
def test_sources_that_are_never_answered(source, port, reason):
    assert find_drop_reason(pack_address(source), port) == reason


@given(st.ip_addresses())
def test_addresses_become_their_octets(address):
    packed = pack_address(str(address))
    mapped = getattr(address, "ipv4_mapped", None)
    assert packed == (mapped or address).packed
    assert unmap_address(packed) == packed


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("fd00::1", "fd00::ffff:1", True),
        ("fd00:0:0:1::1", "fd00:0:0:2::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
    ],
)
def test_one_client_is_an_ipv4_address_or_an_ipv6_64(first, second, same):
    assert (group_client(pack_address(first)) == group_client(pack_address(second))) is same
