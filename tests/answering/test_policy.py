from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_zones import policy

from blackhole_guard.answering.policy import CLIENT_GROUPS, Clients, parse_clients
from blackhole_guard.wire.names import pack_name


@pytest.mark.parametrize(
    ("address", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.255.255.255", True),
        ("10.0.0.1", True),
        ("11.0.0.0", False),
        ("172.15.255.255", False),
        ("172.16.0.0", True),
        ("172.31.255.255", True),
        ("172.32.0.0", False),
        ("192.168.255.255", True),
        ("192.169.0.0", False),
        ("169.254.1.1", True),
        ("100.63.255.255", False),
        ("100.64.0.0", True),
        ("100.127.255.255", True),
        ("100.128.0.0", False),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("8.8.8.8", False),
        ("::1", True),
        ("::", False),
        ("::2", False),
        ("fbff::1", False),
        ("fc00::1", True),
        ("fdff::1", True),
        ("fe7f::1", False),
        ("fe80::1", True),
        ("febf::1", True),
        ("fec0::1", False),
        ("2001:db8::1", False),
        ("::ffff:10.0.0.1", False),  # whoever hands us a source has unmapped it
    ],
)
def test_local_is_a_table_of_our_own(address, is_local):
    assert (ip_address(address).packed in parse_clients(("local",))) is is_local


@pytest.mark.parametrize(
    ("entries", "inside", "outside"),
    [
        (("loopback",), "127.0.0.1", "10.0.0.1"),
        (("loopback",), "::1", "fe80::1"),
        (("192.0.2.7",), "192.0.2.7", "192.0.2.8"),
        (("192.0.2.0/29",), "192.0.2.7", "192.0.2.8"),
        (("2001:db8::/32", "loopback"), "2001:db8:ffff::", "2001:db9::"),
        (("2001:db8::1",), "2001:db8::1", "2001:db8::2"),
    ],
)
def test_an_entry_is_a_group_an_address_or_a_block(entries, inside, outside):
    clients = parse_clients(entries)
    assert ip_address(inside).packed in clients
    assert ip_address(outside).packed not in clients


def test_an_entry_that_is_nothing_of_that_raises():
    with pytest.raises(ValueError, match="locals"):
        parse_clients(("locals",))


@given(st.ip_addresses())
def test_any_is_everybody(address):
    assert address.packed in parse_clients(("any",))
    assert address.packed not in parse_clients(())


@given(st.ip_addresses(), st.lists(st.ip_addresses(), max_size=4), st.integers(0, 32))
def test_clients_are_those_in_the_blocks(address, bases, length):
    blocks = [ip_network((base, length), strict=False) for base in bases]
    assert (address.packed in Clients(blocks)) is any(address in block for block in blocks)


@pytest.mark.parametrize("octets", [b"", b"\x7f\0\0", bytes(5), bytes(17)])
def test_what_is_no_address_is_no_client(octets):
    assert octets not in parse_clients(("any",))


def test_the_groups_are_those_of_the_settings():
    assert set(CLIENT_GROUPS) == {"local", "loopback", "any"}


def test_a_policy_is_made_of_the_settings():
    made = policy(version="1.0", identity="Zürich", nsid="n1", recursive_clients="refer", udp_payload_size=4096)
    assert made.chaos == {
        pack_name("version.bind"): b"1.0",
        pack_name("version.server"): b"1.0",
        pack_name("id.server"): "Zürich".encode(),
        pack_name("hostname.bind"): "Zürich".encode(),
    }
    assert (made.nsid, made.refer_recursive, made.udp_payload_size) == (b"n1", True, 4096)
    plain = policy()
    assert (dict(plain.chaos), plain.nsid, plain.refer_recursive) == ({}, None, False)
