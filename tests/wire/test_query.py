import dns.message
import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_messages import ID, header, opt, option, question, question_of_size, record, tsig

from blackhole_guard.wire.codes import Opcode, RCode, RRClass, RRType
from blackhole_guard.wire.edns import Edns
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.names import pack_name
from blackhole_guard.wire.query import parse_query

NOTIFY = Opcode.NOTIFY << 11
UPDATE = Opcode.UPDATE << 11
SOA = record(b"\xc0\x0c", RRType.SOA, RRClass.IN, 0, b"\0\0" + bytes(20))


def rcode_of(octets: bytes) -> int | None:
    with pytest.raises(WireError) as caught:
        parse_query(octets)
    assert 0 <= caught.value.offset <= len(octets)
    return caught.value.rcode


def test_a_plain_query_is_read():
    query = parse_query(header(0x0110) + question(pack_name("3.0.0.10.IN-ADDR.arpa"), 12, 1))
    assert query.message_id == ID
    assert query.opcode == Opcode.QUERY
    assert query.flags == 0x0110
    assert query.recursion_desired
    assert query.question == pack_name("3.0.0.10.IN-ADDR.arpa") + b"\0\x0c\0\1"
    assert query.qname == pack_name("3.0.0.10.in-addr.arpa")
    assert (query.qtype, query.qclass) == (12, 1)
    assert (query.edns, query.tsig, query.has_authority) == (None, None, False)
    assert query.size == 39
    assert not parse_query(header() + question()).recursion_desired


@pytest.mark.parametrize("size", range(12))
def test_what_is_too_short_for_a_header_is_not_answered(size):
    assert rcode_of(header()[:size]) is None


@pytest.mark.parametrize("opcode", range(16))
def test_a_response_is_not_answered(opcode):
    assert rcode_of(header(0x8000 | opcode << 11) + question()) is None


@pytest.mark.parametrize("opcode", sorted({*range(16)} - {0, 4, 5}))
@pytest.mark.parametrize("counts", [(1, 0, 0, 0), (0, 0, 0, 0), (65535, 65535, 65535, 65535)])
def test_an_opcode_that_is_not_ours_is_not_implemented(opcode, counts):
    assert rcode_of(header(opcode << 11, *counts) + question()) == RCode.NOTIMP


@pytest.mark.parametrize(
    ("flags", "counts", "accepted"),  # QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT
    [
        (0, (1, 0, 0, 0), True),
        (0, (0, 0, 0, 0), True),  # no question: the engine refuses it, with an OPT where there is one
        (0, (2, 0, 0, 0), False),  # RFC 9619
        (0, (65535, 0, 0, 0), False),
        (0, (1, 1, 0, 0), False),
        (0, (1, 0, 1, 0), False),
        (0, (1, 0, 0, 3), False),
        (0, (1, 0, 0, 65535), False),
        (NOTIFY, (1, 0, 0, 0), True),
        (NOTIFY, (1, 1, 0, 0), True),
        (NOTIFY, (1, 2, 0, 0), False),
        (NOTIFY, (1, 0, 1, 0), False),
        (NOTIFY, (0, 0, 0, 0), False),
        (NOTIFY, (2, 0, 0, 0), False),
        (NOTIFY, (1, 0, 0, 3), False),
        (UPDATE, (1, 0, 0, 0), True),
        (UPDATE, (1, 65535, 65535, 65535), True),  # its other sections are never read
        (UPDATE, (0, 0, 0, 0), False),
        (UPDATE, (2, 0, 0, 0), False),
    ],
)
def test_the_counts_of_the_header_are_a_gate(flags, counts, accepted):
    message = header(flags, *counts) + question() * counts[0] + SOA * min(sum(counts[1:]), 8)
    if accepted:
        assert parse_query(message).question == question() * counts[0]
    else:
        assert rcode_of(message) == RCode.FORMERR


def test_the_soa_of_an_ixfr_is_the_one_record_that_a_query_brings():
    message = header(ns=1) + question(qtype=RRType.IXFR) + SOA
    assert parse_query(message).has_authority
    assert rcode_of(header(ns=1) + question(qtype=RRType.AXFR) + SOA) == RCode.FORMERR
    assert rcode_of(header(ns=2) + question(qtype=RRType.IXFR) + SOA + SOA) == RCode.FORMERR


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x01",
        b"\x01a\0",
        b"\x01a\0\0\x0c\0",
        b"\xc0\x0c\0\x0c\0\1",  # a pointer to itself
        b"\x01a\xc0\x0c\0\x0c\0\1",  # a pointer to its beginning
        b"\xc0\xff\0\x0c\0\1",  # a pointer forward
        b"\x40a\0\x0c\0\1",  # label type 01
        b"\x80a\0\x0c\0\1",  # label type 10
        b"\x3fa\0\x0c\0\1",
        question_of_size(256) + b"\0\x0c\0\1",
    ],
)
def test_a_question_that_cannot_be_read_is_a_format_error(octets):
    assert rcode_of(header() + octets) == RCode.FORMERR


@pytest.mark.parametrize("size", [1, 3, 64, 65, 66, 127, 128, 129, 130, 254, 255])
def test_a_name_may_have_255_octets(size):
    assert len(parse_query(header() + question(question_of_size(size))).qname) == size


def test_what_stands_behind_the_message_is_ignored():
    query = parse_query(header() + question() + b"\xff" * 100)
    assert query.question == question()
    assert query.size == 39 + 100


OWNERS = [b"\0", b"\1x\0", b"\xc0\x0c", b"\1x\xc0\x0c"]


@pytest.mark.parametrize(
    ("records", "edns"),
    [
        ((opt(),), Edns(1232, 0, False, {})),
        ((opt(size=4096, do=True),), Edns(4096, 0, True, {})),
        ((opt(version=1),), Edns(1232, 1, False, {})),
        ((opt(size=511),), Edns(512, 0, False, {})),
        ((opt(option(3) + option(10, b"12345678")),), Edns(1232, 0, False, {3: b"", 10: b"12345678"})),
        *(((opt(), record(owner, 99, 1, 5, b"abc")), Edns(1232, 0, False, {})) for owner in OWNERS),
        *(((record(owner, 99, 1, 5, b"abc"), opt()), Edns(1232, 0, False, {})) for owner in OWNERS),
        ((record(b"\0", 99, 1, 5, b"abc"),), None),
    ],
)
def test_an_opt_is_found_among_the_additional_records(records, edns):
    assert parse_query(header(ar=len(records)) + question() + b"".join(records)).edns == edns


@pytest.mark.parametrize(
    "message",
    [
        header(ar=2) + question() + opt() + opt(),
        header(ar=1) + question() + opt(owner=b"\1x\0"),
        header(ar=1) + question() + opt(owner=b"\xc0\x0c"),
        header(NOTIFY, an=1) + question() + opt(),
        header(NOTIFY, an=1, ar=1) + question() + opt() + opt(),
        header(ns=1) + question(qtype=RRType.IXFR) + opt(),
        header(ar=1) + question() + opt()[:-1],
        header(ar=1) + question() + opt(length=1),
        header(ar=1) + question() + opt(length=65535),
        header(ar=1) + question() + opt(b"\0"),
        header(ar=1) + question() + opt(option(3, b"abc", length=4)),
        header(ar=1) + question() + opt(option(3, length=65535)),
        header(ar=1) + question(),  # fewer records than the header says
        header(ar=2) + question() + opt(),
        header(ar=1) + question() + record(b"\x40x\0", 99, 1, 5, b""),
        header(ar=1) + question() + b"\1x" * 200 + b"\0" + bytes(10),
        header(ar=1) + question() + b"\xc0",
        header(ar=1) + question() + b"\1",
    ],
)
def test_records_that_cannot_be_read_are_a_format_error(message):
    assert rcode_of(message) == RCode.FORMERR


def test_the_records_of_a_notify_are_read():
    query = parse_query(header(NOTIFY, an=1, ar=1) + question(qtype=RRType.SOA) + SOA + opt(do=True))
    assert query.edns == Edns(1232, 0, True, {})


def test_the_records_of_an_update_are_not_read():
    query = parse_query(header(UPDATE, an=9, ar=1) + question(qtype=RRType.SOA) + b"\xff" * 20)
    assert (query.edns, query.tsig) == (None, None)


def test_a_tsig_is_the_last_record():
    query = parse_query(header(ar=2) + question() + opt() + tsig())
    assert query.tsig is not None
    assert query.tsig.key == pack_name("Key.example")
    assert query.edns is not None
    assert parse_query(header(ar=1) + question() + tsig()).tsig is not None
    assert rcode_of(header(ar=2) + question() + tsig() + opt()) == RCode.FORMERR
    assert rcode_of(header(ar=2) + question() + tsig() + tsig()) == RCode.FORMERR
    assert rcode_of(header(NOTIFY, an=1) + question() + tsig()) == RCode.FORMERR
    assert rcode_of(header(ar=1) + question() + tsig(rclass=RRClass.IN)) == RCode.FORMERR


def test_a_query_without_a_question_may_have_an_opt():
    query = parse_query(header(qd=0, ar=1) + opt(option(10, b"12345678")))
    assert query.question == b""
    assert query.edns is not None
    assert query.edns.options == {10: b"12345678"}


@given(
    name=st.lists(st.binary(min_size=1, max_size=20), max_size=6),
    rtype=st.integers(0, 65535).filter(lambda rtype: rtype not in (RRType.OPT, RRType.TSIG)),
    flags=st.integers(0, 0x7FF),
    payload=st.none() | st.integers(0, 65535),
    want_dnssec=st.booleans(),
)
def test_what_dnspython_renders_is_read(name, rtype, flags, payload, want_dnssec):
    message = dns.message.make_query(dns.name.Name([*name, b""]), rtype)
    message.flags = flags
    if payload is not None:
        message.use_edns(0, 0x8000 if want_dnssec else 0, payload)
    query = parse_query(message.to_wire())
    assert query.message_id == message.id
    assert query.qname == dns.name.Name([*name, b""]).to_wire().lower()
    assert (query.qtype, query.qclass, query.flags) == (rtype, 1, flags)
    assert query.edns == (None if payload is None else Edns(max(payload, 512), 0, want_dnssec, {}))


@given(st.binary(max_size=600))
def test_any_octets_are_a_query_or_a_wire_error(octets):
    try:
        query = parse_query(octets)
    except WireError as error:
        assert error.rcode in (None, RCode.FORMERR, RCode.NOTIMP)
        return
    assert octets[12:].startswith(query.question)
    assert query.question[:-4].lower() == query.qname or not query.question


@given(st.sampled_from([0, NOTIFY, UPDATE]), st.tuples(*[st.integers(0, 2)] * 4), st.binary(max_size=200))
def test_any_octets_behind_a_good_header_are_a_query_or_a_wire_error(flags, counts, octets):
    try:
        parse_query(header(flags, *counts) + octets)
    except WireError as error:
        assert error.rcode == RCode.FORMERR


def test_the_size_of_a_record_is_no_limit_to_what_is_skipped():
    padding = record(b"\0", 99, 1, 0, bytes(60000))
    assert parse_query(header(ar=2) + question() + padding + opt()).edns is not None
