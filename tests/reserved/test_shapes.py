"""What a query looks like: a row per expectation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.reserved.shapes import Shape, find_shape
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import join_labels, pack_name

V6 = ".".join("0" * 28)  # the nibbles between d.f and the last two


def shape(name: str, qtype: str, apex: str, cut: str | None = None) -> Shape:
    number = RRType[qtype] if qtype in RRType.__members__ else int(qtype.removeprefix("TYPE"))
    return find_shape(pack_name(name), number, apex=pack_name(apex), cut=None if cut is None else pack_name(cut))


@pytest.mark.parametrize(
    ("name", "qtype", "expected"),
    [
        # PTR of a whole address: sshd, log processors, databases
        ("3.0.0.10", "PTR", Shape.HOST),
        ("254.255.255.10", "PTR", Shape.HOST),
        ("1.0.0.10", "PTR", Shape.HOST),
        # the first and the last address: traceroute of a network, route tables, people who look at a whole network
        ("0.0.0.10", "PTR", Shape.NETWORK),
        ("255.255.255.10", "PTR", Shape.NETWORK),
        ("0.5.4.10", "PTR", Shape.NETWORK),
        ("255.5.4.10", "PTR", Shape.NETWORK),
        # RFC 6763 section 11: mDNSResponder, Avahi, printers' drivers
        ("b._dns-sd._udp.0.0.0.10", "PTR", Shape.DNS_SD),
        ("db._dns-sd._udp.0.4.10", "PTR", Shape.DNS_SD),
        ("r._dns-sd._udp.10", "PTR", Shape.DNS_SD),
        ("dr._dns-sd._udp.10", "ANY", Shape.DNS_SD),
        ("lb._dns-sd._udp.0.0.0.10", "TXT", Shape.DNS_SD),
        ("x._dns-sd._udp.0.0.0.10", "PTR", Shape.JUNK),
        ("b._dns-sd._tcp.0.0.0.10", "PTR", Shape.JUNK),
        # labels that no address has, and labels below an address
        ("256.0.0.10", "PTR", Shape.JUNK),
        ("03.0.0.10", "PTR", Shape.JUNK),
        ("x.0.0.10", "PTR", Shape.JUNK),
        ("1.3.0.0.10", "PTR", Shape.JUNK),
        ("www.3.0.0.10", "A", Shape.JUNK),
        ("64/26.2.1.10", "PTR", Shape.JUNK),  # where nothing of the kind is delegated
        (r"3\.0.0.10", "PTR", Shape.JUNK),
        ("_dns-update._udp.10", "SRV", Shape.JUNK),
        # a resolver on its way to an address (RFC 9156), and people who ask for a network's name (RFC 1101)
        ("0.0.10", "PTR", Shape.PARTIAL),
        ("1.10", "A", Shape.PARTIAL),  # Unbound
        ("1.10", "AAAA", Shape.PARTIAL),
        ("1.10", "NS", Shape.PARTIAL),  # Knot Resolver, BIND
        ("10", "A", Shape.PARTIAL),
        ("_.1.10", "A", Shape.PARTIAL),  # BIND, in relaxed mode
        ("_.10", "A", Shape.PARTIAL),
        ("_udp.0.0.0.10", "A", Shape.PARTIAL),  # on its way to the names of dns-sd
        ("_dns-sd._udp.0.0.10", "A", Shape.PARTIAL),
        ("_dns-sd._udp.0.0.10", "NS", Shape.PARTIAL),
        ("_dns-sd._udp.0.0.10", "PTR", Shape.JUNK),
        ("_.x.10", "A", Shape.JUNK),
        # the prelude of an update: who has this name's zone?
        ("3.0.0.10", "SOA", Shape.SOA_HUNT),
        ("0.0.10", "SOA", Shape.SOA_HUNT),
        ("10", "SOA", Shape.SOA_HUNT),
        ("10", "NS", Shape.SOA_HUNT),
        ("3.0.0.10", "NS", Shape.SOA_HUNT),
        ("x.0.0.10", "SOA", Shape.SOA_HUNT),
        ("x.0.0.10", "NS", Shape.JUNK),
        # all that is none of these
        ("3.0.0.10", "A", Shape.OTHER),
        ("3.0.0.10", "TXT", Shape.OTHER),
        ("3.0.0.10", "ANY", Shape.OTHER),
        ("3.0.0.10", "CNAME", Shape.OTHER),
        ("3.0.0.10", "TYPE0", Shape.OTHER),
        ("3.0.0.10", "TYPE65535", Shape.OTHER),
        ("0.0.10", "TXT", Shape.OTHER),
        ("10", "DS", Shape.OTHER),
        ("10", "ANY", Shape.OTHER),
    ],
)
def test_queries_below_10_in_addr_arpa(name, qtype, expected):
    assert shape(f"{name}.in-addr.arpa", qtype, "10.in-addr.arpa") is expected


@pytest.mark.parametrize(
    ("name", "qtype", "apex", "expected"),
    [
        (f"1.0.{V6}.d.f.ip6.arpa", "PTR", "d.f.ip6.arpa", Shape.HOST),
        (f"0.0.{V6}.d.f.ip6.arpa", "PTR", "d.f.ip6.arpa", Shape.NETWORK),  # RFC 4291 section 2.6.1
        ("f." * 16 + "0." * 14 + "d.f.ip6.arpa", "PTR", "d.f.ip6.arpa", Shape.NETWORK),
        ("f." * 2 + "0." * 28 + "d.f.ip6.arpa", "PTR", "d.f.ip6.arpa", Shape.HOST),
        (f"0.{V6}.d.f.ip6.arpa", "PTR", "d.f.ip6.arpa", Shape.PARTIAL),
        ("0.d.f.ip6.arpa", "A", "d.f.ip6.arpa", Shape.PARTIAL),
        ("g.d.f.ip6.arpa", "A", "d.f.ip6.arpa", Shape.JUNK),
        ("10.d.f.ip6.arpa", "PTR", "d.f.ip6.arpa", Shape.JUNK),
        (f"x.0.0.{V6}.d.f.ip6.arpa", "PTR", "d.f.ip6.arpa", Shape.JUNK),
        ("d.f.ip6.arpa", "SOA", "d.f.ip6.arpa", Shape.SOA_HUNT),
        ("lb._dns-sd._udp.0.0.d.f.ip6.arpa", "PTR", "d.f.ip6.arpa", Shape.DNS_SD),
        # zones whose apex is a whole address
        ("1." + "0." * 31 + "ip6.arpa", "PTR", "1." + "0." * 31 + "ip6.arpa", Shape.HOST),
        ("0." * 32 + "ip6.arpa", "PTR", "0." * 32 + "ip6.arpa", Shape.NETWORK),
        ("255.255.255.255.in-addr.arpa", "PTR", "255.255.255.255.in-addr.arpa", Shape.NETWORK),
        ("255.255.255.255.in-addr.arpa", "NS", "255.255.255.255.in-addr.arpa", Shape.SOA_HUNT),
        ("1.0.0.127.in-addr.arpa", "PTR", "127.in-addr.arpa", Shape.HOST),
        # zones of names
        ("printer.home.arpa", "A", "home.arpa", Shape.OTHER),
        ("home.arpa", "A", "home.arpa", Shape.OTHER),
        ("3.0.0.10.home.arpa", "PTR", "home.arpa", Shape.OTHER),
        ("_.home.arpa", "A", "home.arpa", Shape.OTHER),
        ("lb._dns-sd._udp.home.arpa", "PTR", "home.arpa", Shape.DNS_SD),
        ("printer.home.arpa", "SOA", "home.arpa", Shape.SOA_HUNT),
        ("home.arpa", "NS", "home.arpa", Shape.SOA_HUNT),
        ("_dns.resolver.arpa", "SVCB", "resolver.arpa", Shape.OTHER),
    ],
)
def test_queries_below_other_zones(name, qtype, apex, expected):
    assert shape(name, qtype, apex) is expected


@pytest.mark.parametrize(
    ("name", "qtype", "cut", "expected"),
    [
        ("65.64/26.2.1.10.in-addr.arpa", "PTR", "64/26.2.1.10.in-addr.arpa", Shape.OTHER),
        ("64/26.2.1.10.in-addr.arpa", "NS", "64/26.2.1.10.in-addr.arpa", Shape.OTHER),
        ("65.64/26.2.1.10.in-addr.arpa", "SOA", "64/26.2.1.10.in-addr.arpa", Shape.SOA_HUNT),
        ("9.9.20.10.in-addr.arpa", "PTR", "20.10.in-addr.arpa", Shape.HOST),
        ("x.20.10.in-addr.arpa", "PTR", "20.10.in-addr.arpa", Shape.JUNK),
    ],
)
def test_below_a_classless_delegation_the_labels_are_the_operators(name, qtype, cut, expected):
    assert shape(name, qtype, "10.in-addr.arpa", cut) is expected


@given(st.lists(st.binary(min_size=1, max_size=12), max_size=6).map(join_labels), st.integers(0, 65535))
def test_every_query_has_a_shape(name, qtype):
    for below in (name, name[:-1] + pack_name("10.in-addr.arpa")):
        assert find_shape(below.lower(), qtype, apex=pack_name("10.in-addr.arpa"), cut=None) in Shape
