"""Queries and replies: what is rendered reads back, any octets parse or raise WireError, and no message is dear."""

from struct import pack

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_messages import ID, header, opt, question, record

from blackhole_guard.wire.asking import (
    MAX_RECORDS,
    Reply,
    Section,
    SoaRecord,
    parse_reply,
    render_query,
    render_question,
)
from blackhole_guard.wire.codes import RCode, RRClass, RRType
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.header import CD, QR, RD, TC
from blackhole_guard.wire.names import join_labels, pack_name

NAME = pack_name("3.0.0.10.in-addr.arpa")
POINTER = b"\xc0\x0c"  # to the question's name


@pytest.mark.parametrize("dnssec_ok", [False, True])
def test_a_query_reads_as_it_was_meant(dnssec_ok):
    octets = render_query(render_question(NAME, RRType.PTR), message_id=ID, flags=RD | CD, dnssec_ok=dnssec_ok)
    query = dns.message.from_wire(octets)
    assert (query.id, query.flags) == (ID, dns.flags.RD | dns.flags.CD)
    assert str(query.question[0]) == "3.0.0.10.in-addr.arpa. IN PTR"
    edns = (query.edns, query.payload, query.ednsflags)
    assert edns == ((0, 1232, dns.flags.DO) if dnssec_ok else (-1, 0, 0))


def reply_of(*rrsets: dns.rrset.RRset, authority: tuple[dns.rrset.RRset, ...] = (), rcode: int = 0) -> Reply:
    response = dns.message.make_response(dns.message.make_query("3.0.0.10.in-addr.arpa.", "PTR", use_edns=0))
    response.set_rcode(rcode)
    response.answer.extend(rrsets)
    response.authority.extend(authority)
    return parse_reply(response.to_wire())


def test_a_reply_gives_its_ptrs():
    reply = reply_of(dns.rrset.from_text("3.0.0.10.in-addr.arpa.", 60, "IN", "PTR", "Web.example.", "db.example."))
    records = reply.find(Section.ANSWER, RRType.PTR)
    assert sorted(reply.target(each) for each in records) == [pack_name("db.example"), pack_name("Web.example")]
    assert {reply.owner(each) for each in records} == {NAME}
    assert reply.question == question()


def test_a_reply_gives_its_soa():
    text = "Prisoner.iana.org. hostmaster.root-servers.org. 1 604800 60 604800 7"
    reply = reply_of(authority=(dns.rrset.from_text("10.in-addr.arpa.", 60, "IN", "SOA", text),), rcode=3)
    (soa,) = reply.find(Section.AUTHORITY, RRType.SOA)
    mname, rname = pack_name("prisoner.iana.org"), pack_name("hostmaster.root-servers.org")
    assert reply.soa(soa) == SoaRecord(pack_name("10.in-addr.arpa"), mname, rname, 1, 604800, 60, 604800, 7)
    assert reply.rcode == RCode.NXDOMAIN


def test_a_reply_gives_its_texts():
    reply = reply_of(dns.rrset.from_text("version.bind.", 0, "CH", "TXT", '"9.18" "x"'))
    assert [reply.texts(each) for each in reply.records] == [(b"9.18", b"x")]
    assert reply.find(Section.ANSWER, RRType.TXT) == ()  # it is of class CH


def test_the_upper_bits_of_an_rcode_are_in_opt():
    octets = header(QR, ar=1) + question() + opt()[:5] + b"\x01" + opt()[6:]
    assert parse_reply(octets).rcode == RCode.BADVERS


def test_of_a_truncated_reply_only_the_header_and_the_question_are_read():
    reply = parse_reply(header(QR | TC, an=3) + question() + b"\xc0")
    assert (reply.records, reply.question, reply.flags & TC) == ((), question(), TC)


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (b"", "shorter than a header"),
        (header(0) + question(), "no response"),
        (header(QR | 5 << 11) + question(), "no response"),
        (header(QR, qd=2) + question() * 2, "no response"),
        (header(QR) + question()[:-1], "without type and class"),
        (header(QR) + POINTER + question()[-4:], "a pointer"),
        (header(QR, an=1) + question(), "runs over the end"),
        (header(QR, an=1) + question() + POINTER + b"\0" * 9, "runs over the end"),
        (header(QR, an=1) + question() + record(POINTER, 12, 1, 0, b"", length=1), "RDATA that runs over the end"),
        (header(QR, an=MAX_RECORDS, ns=1) + question(), "more than 512 records"),
    ],
)
def test_what_is_no_reply(octets, what):
    with pytest.raises(WireError, match=what):
        parse_reply(octets)


@pytest.mark.parametrize(
    ("rtype", "rdata", "read"),
    [
        (RRType.PTR, b"\x01a", "target"),  # no end
        (RRType.PTR, b"\x01a\0x", "target"),  # something behind it
        (RRType.PTR, b"\xc0\xff", "target"),  # a pointer forwards
        (RRType.PTR, b"\x40", "target"),  # no label
        (RRType.SOA, b"\0\0" + bytes(19), "soa"),
        (RRType.SOA, b"\0\0" + bytes(21), "soa"),
        (RRType.SOA, b"\xc0\xff\0" + bytes(20), "soa"),
        (RRType.TXT, b"\x02a", "texts"),
    ],
)
def test_rdata_that_is_none(rtype, rdata, read):
    reply = parse_reply(header(QR, an=1) + question() + record(POINTER, rtype, RRClass.IN, 0, rdata))
    with pytest.raises(WireError):
        getattr(reply, read)(reply.records[0])


@given(st.binary(max_size=600))
def test_any_octets_are_a_reply_or_an_error(octets):
    read_all(octets)


@given(st.data())
def test_a_reply_with_an_octet_changed_is_one_or_an_error(data):
    text = "prisoner.iana.org. hostmaster.root-servers.org. 1 604800 60 604800 7"
    whole = reply_of(
        dns.rrset.from_text("3.0.0.10.in-addr.arpa.", 60, "IN", "PTR", "web.example."),
        authority=(dns.rrset.from_text("10.in-addr.arpa.", 60, "IN", "SOA", text),),
    ).octets
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    read_all(bytes(changed[: data.draw(st.integers(0, len(whole)))]))


def read_all(octets: bytes) -> None:
    """Read everything that can be read of a reply; nothing but WireError may come of it."""
    try:
        reply = parse_reply(octets)
    except WireError:
        return
    for each in reply.records:
        for read in (reply.owner, reply.target, reply.soa, reply.texts):
            try:
                read(each)
            except WireError:
                continue


def test_a_message_made_to_be_dear_to_decode_is_refused_by_its_header():
    long_name = join_labels([b"a"] * 126)
    records = record(POINTER, RRType.PTR, RRClass.IN, 0, POINTER) * 4670
    octets = header(QR, an=4670) + question(long_name) + records
    with pytest.raises(WireError, match="more than 512 records"):
        parse_reply(octets)


def test_pointers_to_pointers_are_followed_only_so_far():
    front = header(QR, an=2) + question(b"\0") + record(b"\0", RRType.NULL, RRClass.IN, 0, b"", length=400)
    # The first points to the question's name, each other one to the one before it.
    targets = [12, *range(len(front), len(front) + 398, 2)]
    chain = b"".join(pack("!H", 0xC000 | target) for target in targets)
    last = pack("!H", 0xC000 | len(front) + 398)
    reply = parse_reply(front + chain + record(last, RRType.PTR, RRClass.IN, 0, b"\0"))
    with pytest.raises(WireError, match="too many"):
        reply.owner(reply.records[1])
