"""The sinks' addresses, against a copy of what RFC 7534 and RFC 7535 promise."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.reserved.registry import Sink
from blackhole_guard.reserved.sinks import PREFIXES, SERVERS, find_sink


@pytest.mark.parametrize(
    ("address", "sink"),
    [
        ("192.175.48.1", Sink.AS112),
        ("192.175.48.6", Sink.AS112),
        ("192.175.48.42", Sink.AS112),
        ("192.175.48.255", Sink.AS112),
        ("2620:4f:8000::1", Sink.AS112),
        ("2620:4f:8000:ffff:ffff:ffff:ffff:ffff", Sink.AS112),
        ("192.31.196.1", Sink.AS112_DNAME),
        ("2001:4:112::1", Sink.AS112_DNAME),
        ("192.175.47.255", None),
        ("192.175.49.0", None),
        ("192.31.195.255", None),
        ("2620:4f:8001::", None),
        ("2620:4f:7fff:ffff::", None),
        ("2001:4:113::", None),
        ("10.0.0.1", None),
        ("::", None),
    ],
)
def test_the_sink_of_an_address(address, sink):
    assert find_sink(ip_address(address).packed) is sink


def test_every_server_has_the_sink_of_its_prefix():
    sinks = {name: {find_sink(ip_address(each).packed) for each in addresses} for name, addresses in SERVERS.items()}
    assert sinks == {
        "prisoner.iana.org": {Sink.AS112},
        "blackhole-1.iana.org": {Sink.AS112},
        "blackhole-2.iana.org": {Sink.AS112},
        "blackhole.as112.arpa": {Sink.AS112_DNAME},
    }


@given(st.ip_addresses())
def test_an_address_has_a_sink_exactly_when_it_lies_in_a_prefix(address):
    within = [sink for network, sink in PREFIXES.items() if network.version == address.version and address in network]
    assert find_sink(address.packed) is (within[0] if within else None)


def test_prefixes_end_where_the_look_up_cuts():
    assert {network.prefixlen for network in PREFIXES} == {24, 48}
    assert ip_network("192.175.48.0/24") in PREFIXES
