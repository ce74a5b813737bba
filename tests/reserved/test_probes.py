"""Names of the doctor's own: fresh, in their zone, never a client's, and known again wherever they turn up."""

import random
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.reserved.addresses import parse_reverse_name, reverse_name
from blackhole_guard.reserved.probes import draw_address, is_probe, make_probe
from blackhole_guard.reserved.registry import ZONES, find_reserved_name
from blackhole_guard.wire.names import format_name, join_labels, pack_name

seeds = st.integers(0, 2**32).map(lambda seed: random.Random(seed).randbytes)


@given(st.sampled_from(ZONES), seeds)
def test_a_probe_is_known_again_and_lies_in_its_zone(zone, draw):
    name = make_probe(zone, draw)
    assert is_probe(name)
    assert find_reserved_name(name) == zone
    assert name == name.lower()
    assert pack_name(format_name(name)) == name


@given(st.sampled_from(ZONES), seeds)
def test_a_probe_is_fresh_each_time(zone, draw):
    assert len({make_probe(zone, draw) for _ in range(20)}) == 20


@given(st.ip_addresses().map(lambda address: address.packed))
def test_the_name_of_an_address_is_no_probe(address):
    assert not is_probe(reverse_name(address))


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=6).map(join_labels).map(bytes.lower))
def test_any_name_can_be_held_against_it(name):
    assert not is_probe(name)


@pytest.mark.parametrize(
    ("name", "probe"),
    [
        ("112535012345678901.3.2.1.10.in-addr.arpa", True),
        ("112535012345678901.home.arpa", True),
        ("112535012345678901.3.2.1.8.in-addr.arpa", False),  # not reserved
        ("112535012345678901.example.com", False),
        ("11253501234567890x.3.2.1.10.in-addr.arpa", False),
        ("1125350123456789012.3.2.1.10.in-addr.arpa", False),  # one digit more
        ("212535012345678901.3.2.1.10.in-addr.arpa", False),
        ("3.2.1.10.in-addr.arpa", False),
    ],
)
def test_what_is_a_probe(name, probe):
    assert is_probe(pack_name(name)) is probe


def test_a_probe_of_ipv6_is_a_whole_address_with_our_lower_half():
    zone = next(zone for zone in ZONES if zone.network == ip_network("fd00::/8"))
    address = parse_reverse_name(make_probe(zone, random.Random(1).randbytes))
    assert address is not None
    assert ip_address(address) in zone.network
    assert address[8:] == bytes.fromhex("b1ac401e01125350")


def test_delegated_blocks_are_left_alone():
    zone = next(zone for zone in ZONES if zone.network == ip_network("172.16.0.0/16"))
    upper = ip_network("172.16.128.0/17")
    names = [make_probe(zone, random.Random(seed).randbytes, [upper]) for seed in range(200)]
    addresses = [ip_address(parse_reverse_name(name[1 + name[0] :])) for name in names]
    assert all(address not in upper for address in addresses)


def test_where_everything_is_delegated_there_is_a_probe_all_the_same():
    zone = next(zone for zone in ZONES if zone.network == ip_network("172.16.0.0/16"))
    assert is_probe(make_probe(zone, random.Random(1).randbytes, [ip_network("172.16.0.0/12")]))


@given(st.sampled_from([zone.network for zone in ZONES if zone.network is not None]), seeds)
def test_an_address_is_drawn_from_its_network(network, draw):
    assert ip_address(draw_address(network, draw)) in network
