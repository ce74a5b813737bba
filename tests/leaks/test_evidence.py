"""What a sighting proves: a row per rule."""

import random
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.evidence import Certainty, Sighting, Via, judge
from blackhole_guard.reserved.probes import make_probe
from blackhole_guard.reserved.registry import BLOCKS, ZONES, Sink
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.wire.codes import RRClass, RRType
from blackhole_guard.wire.names import join_labels, pack_name

BLACKHOLE = ip_address("192.175.48.6").packed


def sight(name: str, qtype: int = RRType.PTR, *, qclass: int = RRClass.IN, server: str | None = None, update=False):
    address = None if server is None else ip_address(server).packed
    return Sighting(1.0, Via.PACKETS, pack_name(name), qtype, qclass, update, server=address)


@pytest.mark.parametrize(
    ("name", "server", "certainty", "block", "sink", "shape"),
    [
        ("3.0.0.10.in-addr.arpa", "192.175.48.6", Certainty.OBSERVED, "10.0.0.0/8", Sink.AS112, Shape.HOST),
        ("3.0.0.10.in-addr.arpa", "2620:4f:8000::42", Certainty.OBSERVED, "10.0.0.0/8", Sink.AS112, Shape.HOST),
        ("3.0.0.10.in-addr.arpa", "192.31.196.1", Certainty.OBSERVED, "10.0.0.0/8", Sink.AS112_DNAME, Shape.HOST),
        ("0.9.17.172.in-addr.arpa", "192.175.48.1", Certainty.OBSERVED, "172.16.0.0/12", Sink.AS112, Shape.NETWORK),
        ("3.0.0.10.in-addr.arpa", "8.8.8.8", Certainty.LIKELY, "10.0.0.0/8", Sink.AS112, Shape.HOST),
        ("3.0.64.100.in-addr.arpa", None, Certainty.LIKELY, "100.64.0.0/10", Sink.IANA, Shape.HOST),
        ("tv.home.arpa", "8.8.8.8", Certainty.LIKELY, "home.arpa", Sink.AS112, Shape.OTHER),
        ("1.10.in-addr.arpa", "192.175.48.6", Certainty.OBSERVED, "10.0.0.0/8", Sink.AS112, Shape.PARTIAL),
    ],
)
def test_a_name_in_a_reserved_zone_is_a_leak_as_sure_as_its_server(name, server, certainty, block, sink, shape):
    leak = judge(sight(name, server=server), Certainty.LIKELY)
    assert leak is not None
    assert (leak.certainty, leak.block, leak.sink, leak.shape) == (certainty, block, sink, shape)


@pytest.mark.parametrize(
    "sighting",
    [
        sight("4.4.8.8.in-addr.arpa", server="192.175.48.6"),
        sight("www.example.org", server="192.175.48.6"),
        sight("hostname.as112.net", RRType.TXT, server="192.175.48.6"),
        sight("in-addr.arpa", RRType.NS, server="192.175.48.6"),
        sight("3.0.0.10.in-addr.arpa", qclass=RRClass.CH, server="192.175.48.6"),
        sight("home.arpa", RRType.DS, server="8.8.8.8"),  # the zone above answers for it
        sight("10.in-addr.arpa", RRType.DS),
    ],
)
def test_other_names_and_classes_are_no_leaks(sighting):
    assert judge(sighting, Certainty.LIKELY) is None


def test_the_ds_of_a_name_in_a_zone_is_a_leak_like_any_other():
    assert judge(sight("tv.home.arpa", RRType.DS, server="8.8.8.8"), Certainty.LIKELY) is not None


@pytest.mark.parametrize("name", ["10.in-addr.arpa", "0.f.f.f.3.ip6.arpa", "home.arpa"])
def test_what_a_resolver_that_minimises_asks_for_a_zone_is_no_more_than_a_part(name):
    for qtype in (RRType.A, RRType.AAAA, RRType.NS):
        assert judge(sight(name, qtype, server="192.175.48.6"), Certainty.OBSERVED).shape is Shape.PARTIAL
    assert judge(sight(name, RRType.SOA, server="192.175.48.6"), Certainty.OBSERVED).shape is Shape.SOA_HUNT


def test_so_is_the_ns_of_an_address_for_a_name_below_it():
    leak = judge(sight("3.0.0.10.in-addr.arpa", RRType.NS, server="192.175.48.6"), Certainty.OBSERVED)
    assert (leak.shape, leak.address) == (Shape.PARTIAL, ip_address("10.0.0.3").packed)


def test_an_update_is_one_whatever_its_zone_looks_like():
    leak = judge(sight("0.0.10.in-addr.arpa", RRType.SOA, server="192.175.48.1", update=True), Certainty.OBSERVED)
    assert leak is not None
    assert leak.shape is Shape.UPDATE
    assert leak.block == "10.0.0.0/8"


def test_a_leak_tells_the_address_that_was_looked_up():
    leak = judge(sight("3.0.0.10.in-addr.arpa", server="192.175.48.6"), Certainty.OBSERVED)
    assert leak is not None
    assert leak.address == bytes((10, 0, 0, 3))


@given(
    st.lists(st.binary(min_size=1, max_size=12), max_size=6).map(join_labels),
    st.integers(0, 65535),
    st.sampled_from(list(RRClass)),
    st.booleans(),
)
def test_whatever_is_seen_is_judged(name, qtype, qclass, is_update):
    for below in (name, name[:-1] + pack_name("10.in-addr.arpa")):
        sighting = Sighting(1.0, Via.LOG, below.lower(), qtype, qclass, is_update, server=BLACKHOLE)
        leak = judge(sighting, Certainty.POSSIBLE)
        assert leak is None or (leak.block in BLOCKS and leak.certainty is Certainty.OBSERVED)


@given(st.sampled_from(ZONES), st.integers(0, 2**32))
def test_what_the_doctor_asks_is_no_leak(zone, seed):
    name = make_probe(zone, random.Random(seed).randbytes)
    assert judge(Sighting(1.0, Via.PACKETS, name, RRType.PTR, RRClass.IN, server=BLACKHOLE), Certainty.LIKELY) is None
