"""What one answer says: a row per rule."""

import dns.flags
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replies import PUBLIC_SOA, respond

from blackhole_guard.leaks.signatures import Kind, find_program
from blackhole_guard.leaks.verdicts import Answered, Known, Reading, Silence, Verdict, read_outcome, settle
from blackhole_guard.reserved.registry import ZONES, Sink
from blackhole_guard.wire.asking import parse_reply, render_query, render_question
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.names import pack_name

TEN = next(zone for zone in ZONES if zone.block == "10.0.0.0/8")
TEST_NET = next(zone for zone in ZONES if zone.block == "192.0.2.0/24")
PROBE = pack_name("112535012345678901.3.2.1.10.in-addr.arpa")
OURS = Known(frozenset([(TEN.apex, pack_name("ns1.example.com"), pack_name("admin.example.com"))]))
NUMBERS = "1 3600 1200 604800 10800"


def outcome(*words: object, qname: bytes = PROBE, **parts: object) -> Answered:
    query = render_query(render_question(qname, RRType.PTR), message_id=1, flags=0x100, dnssec_ok=False)
    return Answered(parse_reply(respond(query, *words, **parts)), 0.01)


def read(*words: object, **parts: object) -> Reading:
    return read_outcome(TEN, PROBE, outcome(*words, **parts), OURS)


@pytest.mark.parametrize(
    ("owner", "soa", "verdict", "sink", "program"),
    [
        ("10.in-addr.arpa.", PUBLIC_SOA, Verdict.LEAKS, Sink.AS112, None),
        # RFC 7534 section 3.5 leaves MNAME to the node
        ("10.IN-ADDR.arpa.", f"as112.example. Hostmaster.root-servers.org. {NUMBERS}", Verdict.LEAKS, Sink.AS112, None),
        (
            "empty.as112.arpa.",
            f"blackhole.as112.arpa. noc.dns.icann.org. {NUMBERS}",
            Verdict.LEAKS,
            Sink.AS112_DNAME,
            None,
        ),
        ("10.in-addr.arpa.", f"sns.dns.icann.org. noc.dns.icann.org. {NUMBERS}", Verdict.LEAKS, Sink.IANA, None),
        ("10.in-addr.arpa.", f"z.arin.net. dns-ops.arin.net. {NUMBERS}", Verdict.LEAKS, Sink.RIR, None),
        ("in-addr.arpa.", f"b.in-addr-servers.arpa. nstld.iana.org. {NUMBERS}", Verdict.LEAKS, Sink.ARPA, None),
        ("arpa.", f"a.root-servers.net. nstld.verisign-grs.com. {NUMBERS}", Verdict.LEAKS, Sink.ARPA, None),
        (".", f"a.root-servers.net. nstld.verisign-grs.com. {NUMBERS}", Verdict.LEAKS, Sink.ROOT, None),
        ("10.in-addr.arpa.", f"NS1.example.com. admin.example.com. {NUMBERS}", Verdict.OURS, None, None),
        # with other numbers it is still ours: the server moves the serial
        ("10.in-addr.arpa.", "ns1.example.com. admin.example.com. 9 9 9 9 9", Verdict.OURS, None, None),
        ("10.in-addr.arpa.", "10.in-addr.arpa. . 0 28800 7200 604800 86400", Verdict.LOCAL, None, Kind.BIND),
        ("10.in-addr.arpa.", f"localhost. nobody.invalid. {NUMBERS}", Verdict.LOCAL, None, Kind.UNBOUND),
        (
            "112535012345678901.3.2.1.10.in-addr.arpa.",
            f"112535012345678901.3.2.1.10.in-addr.arpa. nobody.invalid. {NUMBERS}",
            Verdict.LOCAL,
            None,
            Kind.KNOT_RESOLVER,
        ),
        (
            "10.in-addr.arpa.",
            "localhost. root. 1 604800 86400 2419200 604800",
            Verdict.LOCAL,
            None,
            Kind.PDNS_RECURSOR,
        ),
        ("10.in-addr.arpa.", f"ad1.corp. hostmaster.corp. {NUMBERS}", Verdict.LOCAL, None, None),
        ("1.10.in-addr.arpa.", f"ad1.corp. hostmaster.corp. {NUMBERS}", Verdict.LOCAL, None, None),  # a block of it
        ("11.in-addr.arpa.", f"ns1.corp. hostmaster.corp. {NUMBERS}", Verdict.ERROR, None, None),
    ],
)
@pytest.mark.parametrize("rcode", ["NXDOMAIN", "NOERROR"])
def test_the_soa_of_a_negative_answer_tells_whose_it_is(owner, soa, verdict, sink, program, rcode):
    found = read(rcode, soa=(owner, soa), flags=dns.flags.AA)
    assert (found.verdict, found.sink, found.program) == (verdict, sink, program)
    found = read(rcode, soa=(owner, soa))
    assert (found.verdict, found.sink, found.program) == (verdict, sink, None)  # it may be behind this one


@pytest.mark.parametrize(
    ("serial", "given", "verdict"),
    [
        (1, {}, Verdict.LOCAL),  # as RFC 6303 section 3 has it, whoever wrote it; so have we, of what is built in
        (1_790_000_000, {}, Verdict.OURS),  # the time when the zone changed
        (2_026_112_601, {}, Verdict.LOCAL),  # a date
        (7, {TEN.apex: 7}, Verdict.OURS),  # as a map has it
        (8, {TEN.apex: 7}, Verdict.LOCAL),
    ],
)
def test_the_soa_of_an_empty_zone_is_ours_by_its_serial_alone(serial, given, verdict):
    nobody = pack_name("nobody.invalid")
    known = Known(frozenset([(TEN.apex, TEN.apex, nobody)]), serials=given)
    soa = ("10.in-addr.arpa.", f"10.in-addr.arpa. nobody.invalid. {serial} 3600 1200 604800 10800")
    found = read_outcome(TEN, PROBE, outcome(soa=soa), known)
    assert (found.verdict, found.may_be_ours) == (verdict, verdict is Verdict.LOCAL)


@pytest.mark.parametrize("owner", ["in-addr.arpa.", "."])  # a root of its own?
@pytest.mark.parametrize("rcode", ["NXDOMAIN", "NOERROR"])
def test_the_soa_of_a_zone_above_is_the_resolvers_own_if_it_says_so(owner, rcode):
    soa = (owner, f"ns1.corp. hostmaster.corp. {NUMBERS}")
    assert read(rcode, soa=soa).verdict is Verdict.UNCLEAR
    assert read(rcode, soa=soa, flags=dns.flags.AA).verdict is Verdict.LOCAL


@pytest.mark.parametrize(
    ("rcode", "parts", "verdict"),
    [
        ("REFUSED", {}, Verdict.REFUSED),
        ("SERVFAIL", {}, Verdict.SERVFAIL),
        ("FORMERR", {}, Verdict.ERROR),
        ("NOTIMP", {}, Verdict.ERROR),
        ("NXDOMAIN", {}, Verdict.UNCLEAR),
        ("NOERROR", {}, Verdict.UNCLEAR),
        # Who says that it knows by itself is believed: nothing was asked of others.
        ("NXDOMAIN", {"flags": dns.flags.AA}, Verdict.LOCAL),
        ("NOERROR", {"flags": dns.flags.AA}, Verdict.LOCAL),
        ("NOERROR", {"ns": "."}, Verdict.ERROR),  # a referral
        ("NOERROR", {"answer": ("PTR", "search.example.net.")}, Verdict.HIJACKED),
        ("NOERROR", {"answer": ("A", "203.0.113.80")}, Verdict.HIJACKED),
        ("NXDOMAIN", {"answer": ("A", "203.0.113.80")}, Verdict.HIJACKED),
        ("NOERROR", {"answer": ("SOA", f"ns.isp.example. hm.isp.example. {NUMBERS}")}, Verdict.HIJACKED),
        ("NXDOMAIN", {"answer": ("CNAME", "empty.as112.arpa.")}, Verdict.LEAKS),
        ("NXDOMAIN", {"answer": ("CNAME", "x.empty.AS112.arpa.")}, Verdict.LEAKS),
        ("NXDOMAIN", {"answer": ("CNAME", "x.example.")}, Verdict.UNCLEAR),
    ],
)
def test_what_else_an_answer_may_say(rcode, parts, verdict):
    assert read(rcode, **parts).verdict is verdict


def test_no_answer_is_a_time_out_with_its_reason():
    assert read_outcome(TEN, PROBE, Silence("no answer"), OURS) == Reading(Verdict.TIMEOUT, "no answer")


def test_an_alias_below_a_local_zone_is_told_by_its_soa():
    found = read(answer=("CNAME", "x.example."), soa=("10.in-addr.arpa.", f"localhost. nobody.invalid. {NUMBERS}"))
    assert found.verdict is Verdict.LOCAL


@pytest.mark.parametrize(
    ("owner", "rcode", "parts", "verdict", "sink"),
    [
        (None, "NXDOMAIN", {}, Verdict.LOCAL, None),
        (None, "NOERROR", {"soa": ("10.in-addr.arpa.", PUBLIC_SOA)}, Verdict.LOCAL, None),
        (None, "NOERROR", {}, Verdict.LEAKS, None),
        (None, "NOERROR", {"ns": "."}, Verdict.LEAKS, None),
        (None, "SERVFAIL", {}, Verdict.LEAKS, None),
        (None, "REFUSED", {}, Verdict.UNCLEAR, None),  # some refuse whatever comes with RD=0
        ("192.in-addr.arpa.", "NXDOMAIN", {}, Verdict.LOCAL, None),
        ("192.in-addr.arpa.", "REFUSED", {}, Verdict.LEAKS, Sink.RIR),
        ("in-addr.arpa.", "REFUSED", {}, Verdict.LEAKS, Sink.ARPA),
        (".", "SERVFAIL", {}, Verdict.LEAKS, Sink.ROOT),
    ],
)
def test_a_query_with_rd_0_tells_a_local_zone_from_a_cache(owner, rcode, parts, verdict, sink):
    name = pack_name("112535012345678901.3.2.0.192.in-addr.arpa")
    soa = None if owner is None else (owner, f"ns1.corp. hostmaster.corp. {NUMBERS}")
    doubtful = read_outcome(TEST_NET, name, outcome(qname=name, soa=soa), OURS)
    assert doubtful.verdict is Verdict.UNCLEAR
    found = settle(doubtful, outcome(rcode, **parts))
    assert (found.verdict, found.sink) == (verdict, sink)


@pytest.mark.parametrize(
    ("rcode", "parts", "verdict"),
    [
        ("NOERROR", {}, Verdict.LOCAL),  # the same
        ("NXDOMAIN", {}, Verdict.LOCAL),
        ("NOERROR", {"ns": "."}, Verdict.LEAKS),
        ("SERVFAIL", {}, Verdict.LEAKS),
        ("REFUSED", {}, Verdict.UNCLEAR),
        ("NOTIMP", {}, Verdict.UNCLEAR),
        ("NOERROR", {"answer": ("CNAME", "x.example.")}, Verdict.UNCLEAR),
    ],
)
def test_an_answer_with_nothing_in_it_is_the_resolvers_own_if_rd_0_gets_it_too(rcode, parts, verdict):
    doubtful = read("NOERROR")
    assert settle(doubtful, outcome(rcode, **parts)).verdict is verdict


def test_an_alias_stays_unclear_whatever_rd_0_gets():
    doubtful = read("NOERROR", answer=("CNAME", "x.example."))  # a cache may make it of a DNAME that it remembers
    assert doubtful.verdict is Verdict.UNCLEAR
    again = outcome("NOERROR", answer=("CNAME", "x.example."))
    assert settle(doubtful, again) is doubtful


def test_a_ptr_of_localhost_is_well_below_loopback_alone():
    zone = next(zone for zone in ZONES if zone.block == "127.0.0.0/8")
    name = pack_name("112535012345678901.3.2.1.127.in-addr.arpa")
    for target, verdict in (("LOCALHOST.", Verdict.LOCAL), ("search.example.", Verdict.HIJACKED)):
        found = read_outcome(zone, name, outcome("NOERROR", qname=name, answer=("PTR", target)), OURS)
        assert found.verdict is verdict
    assert read("NOERROR", answer=("PTR", "localhost.")).verdict is Verdict.HIJACKED


def test_without_an_answer_to_rd_0_it_stays_unclear():
    doubtful = read()
    assert settle(doubtful, Silence("no answer")) is doubtful


@given(st.data())
def test_whatever_comes_has_a_verdict_that_can_be_printed(data):
    whole = outcome(answer=("PTR", "a\\027b.example."), soa=("10.in-addr.arpa.", PUBLIC_SOA)).reply.octets
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        changed[data.draw(st.integers(12, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        reply = parse_reply(bytes(changed))
    except WireError:
        return
    found = read_outcome(TEN, PROBE, Answered(reply, 0.01), OURS)
    assert found.what.isascii() and found.what.isprintable()


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("9.18.49-1~deb12u3-Debian", Kind.BIND),
        ("BIND 9", Kind.BIND),
        ("unbound 1.17.1", Kind.UNBOUND),
        ("dnsmasq-2.90", Kind.DNSMASQ),
        ("dnsmasq-pi-hole-v2.90+1", Kind.DNSMASQ),
        ("PowerDNS Recursor 4.8.8", Kind.PDNS_RECURSOR),
        ("CoreDNS-1.11.1", Kind.COREDNS),
        ("blackhole_guard", Kind.OURS),
        ("none of your business", None),
        ("", None),
    ],
)
def test_a_program_is_told_by_what_it_says_of_itself(version, kind):
    assert find_program(version) is kind
