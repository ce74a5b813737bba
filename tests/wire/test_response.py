import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_messages import ID, header, opt, question, question_of_size

from blackhole_guard.wire.codes import RRClass, RRType
from blackhole_guard.wire.edns import render_opt
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.names import join_labels, pack_name
from blackhole_guard.wire.query import Query, parse_query
from blackhole_guard.wire.records import RRset
from blackhole_guard.wire.response import MAX_MESSAGE, NO_RECORDS, Sections, attach, render_response, render_sections

NAME = pack_name("3.0.0.10.in-addr.arpa")
SOA = RRset(
    pack_name("10.in-addr.arpa"),
    RRType.SOA,
    300,
    (pack_name("ns1.Example.com") + pack_name("admin.example.com") + bytes(range(20)),),
)


def ptr(*targets: str, owner: bytes = NAME, ttl: int = 3600) -> RRset:
    return RRset(owner, RRType.PTR, ttl, tuple(pack_name(target) for target in targets))


def ask(name: bytes = NAME, flags: int = 0x0100, qtype: int = RRType.PTR, qclass: int = RRClass.IN) -> Query:
    return parse_query(header(flags) + question(name, qtype, qclass))


def render(query: Query, sections: Sections, *, rcode: int = 0, authoritative: bool = True, limit: int = 512) -> bytes:
    rendered = render_sections(query, sections, limit)
    return render_response(query, rendered, rcode=rcode, authoritative=authoritative, limit=limit)


def test_an_answer_of_one_record_is_this_octet_for_octet():
    assert render(ask(), Sections(answer=(ptr("web.example.com"),))) == (
        b"\x12\x34\x85\x00\0\1\0\1\0\0\0\0" + question() + b"\xc0\x0c\0\x0c\0\1\0\0\x0e\x10\0\x11\3web\7example\3com\0"
    )


def test_a_negative_response_shares_the_names_of_the_question():
    assert render(ask(), Sections(authority=(SOA,)), rcode=3) == (
        b"\x12\x34\x85\x03\0\1\0\0\0\1\0\0"
        + question()
        + b"\xc0\x12\0\6\0\1\0\0\1\x2c\0\x35"
        + b"\3ns1\7Example\3com\0"
        + b"\5admin\7example\xc0\x3f"  # RFC 4343: Example and example are equal, and each keeps its case
        + bytes(range(20))
    )


@pytest.mark.parametrize("qname", ["3.0.0.10.in-addr.arpa", "3.0.0.10.IN-ADDR.ARPA", "3.0.0.10.in-addr.ARPA"])
def test_a_name_in_rdata_keeps_its_case_so_it_never_points_into_the_question(qname):
    response = render(ask(pack_name(qname)), Sections(answer=(ptr("www.10.in-addr.arpa"),)))
    assert response.endswith(b"\3www\x0210\7in-addr\4arpa\0")
    assert response[12 : 12 + len(NAME)] == pack_name(qname)
    assert response[39:41] == b"\xc0\x0c"


def test_an_owner_takes_the_case_of_the_question_or_of_equal_octets_before():
    asked = ask(pack_name("3.0.0.10.IN-addr.arpa"))
    other = ptr("b.example", owner=pack_name("4.0.0.10.in-addr.arpa"))
    response = render(asked, Sections(answer=(ptr("a.example"), other)))
    assert response[39:41] == b"\xc0\x0c"
    assert b"\x014\xc0\x0e" in response
    again = render(ask(pack_name("X.arpa")), Sections(answer=(other,), authority=(other,)))
    assert again.count(b"\x014\x010\x010\x0210\7in-addr") == 1
    assert again.count(b"\7in-addr\xc0\x0e") == 1


def test_several_records_of_an_rrset_share_owner_and_target():
    response = render(ask(), Sections(answer=(ptr("a.example.com", "b.example.com", "a.example.com"),)))
    assert response[6:8] == b"\0\3"
    assert response.count(b"\7example") == 1
    assert response.endswith(b"\0\2\xc0\x33")  # the third is the first


@pytest.mark.parametrize(
    ("rtype", "compressed"),
    [
        (RRType.NS, True),
        (RRType.CNAME, True),
        (RRType.PTR, True),
        (RRType.DNAME, False),
        (RRType.TXT, False),
        (999, False),
    ],
)
def test_names_are_compressed_in_the_rdata_of_rfc_1035_alone(rtype, compressed):
    names = (pack_name("a.example.com"), pack_name("b.example.com"))
    response = render(ask(), Sections(answer=(RRset(NAME, rtype, 1, names),)))
    assert response.endswith(b"\1b\xc0\x35" if compressed else b"\1b\7example\3com\0")


def test_the_root_is_never_a_pointer():
    assert render(ask(b"\0"), Sections(answer=(ptr(".", owner=b"\0"),))).endswith(
        b"\0\0\x0c\0\1" + b"\0\0\x0c\0\1\0\0\x0e\x10\0\1\0"
    )


def test_no_pointer_leads_beyond_16_kibibytes():
    filler = RRset(NAME, RRType.TXT, 0, (bytes(0x4000),))
    first, second = (ptr("same.example.com", owner=pack_name("late.test")) for _ in range(2))
    before = render(ask(), Sections(answer=(first, filler, second)), limit=MAX_MESSAGE)
    assert (before.count(b"\4same"), before.count(b"\4late")) == (1, 1)
    behind = render(ask(), Sections(answer=(filler, first, second)), limit=MAX_MESSAGE)
    assert (behind.count(b"\4same"), behind.count(b"\4late")) == (2, 2)
    for response in (before, behind):
        assert len(dns.message.from_wire(response).answer) == 2


@pytest.mark.parametrize("padding", range(0x3FC0 - 60, 0x3FC0 + 40))
def test_around_16_kibibytes_every_pointer_leads_to_its_name(padding):
    filler = RRset(NAME, RRType.TXT, 0, (bytes(padding),))
    records = [ptr(f"{target}.example.com", owner=pack_name("x.test")) for target in ("a", "b", "a", "c.b")]
    message = dns.message.from_wire(render(ask(), Sections(answer=(filler, *records)), limit=MAX_MESSAGE))
    found = [rdata.target.to_text() for rrset in message.answer if rrset.rdtype == RRType.PTR for rdata in rrset]
    assert sorted(set(found)) == ["a.example.com.", "b.example.com.", "c.b.example.com."]


def test_what_fits_exactly_is_sent_and_one_octet_less_is_truncated():
    sections = Sections(answer=(ptr("a.example.com", "b.example.com"),), authority=(SOA,), additional=(SOA,))
    whole = render(ask(), sections)
    assert render(ask(), sections, limit=len(whole)) == whole
    short = render(ask(), sections, rcode=3, limit=len(whole) - 1)
    assert short == b"\x12\x34\x87\x03\0\1\0\0\0\0\0\0" + question()


def test_a_message_has_65535_octets_at_most():
    sections = Sections(answer=(RRset(NAME, RRType.TXT, 0, (bytes(32700), bytes(32700))),))
    assert len(render(ask(), sections, limit=100000)) == 12 + 27 + 2 * (12 + 32700)
    over = Sections(answer=(RRset(NAME, RRType.TXT, 0, (bytes(32700), bytes(32800))),))
    assert len(render(ask(), over, limit=100000)) == 39


def test_a_referral_is_whole_or_truncated():
    ns = RRset(pack_name("20.10.in-addr.arpa"), RRType.NS, 60, (pack_name("ns.20.10.in-addr.arpa"),))
    glue = RRset(pack_name("ns.20.10.in-addr.arpa"), RRType.A, 60, (bytes((10, 20, 0, 1)),))
    sections = Sections(authority=(ns,), additional=(glue,))
    whole = render(ask(), sections, authoritative=False)
    assert whole[:12] == b"\x12\x34\x81\x00\0\1\0\0\0\1\0\1"
    assert render(ask(), sections, authoritative=False, limit=len(whole) - 1)[:12] == b"\x12\x34\x83\0\0\1\0\0\0\0\0\0"


@pytest.mark.parametrize("asked", [NAME, question_of_size(255)])
def test_without_records_the_question_comes_back(asked):
    assert render(ask(asked), NO_RECORDS, rcode=5, authoritative=False) == b"\x12\x34\x81\5\0\1" + bytes(6) + question(
        asked
    )


def test_a_question_that_does_not_fit_sets_tc():
    assert render(ask(), NO_RECORDS, authoritative=False, limit=38)[2:4] == b"\x83\0"
    assert render(ask(), NO_RECORDS, authoritative=False, limit=39)[2:4] == b"\x81\0"


def test_where_there_was_no_question_there_is_none():
    query = parse_query(header(0x0100, qd=0, ar=1) + opt())
    assert render(query, NO_RECORDS, rcode=1, authoritative=False) == b"\x12\x34\x81\1" + bytes(8)


def test_of_a_long_rcode_the_header_has_four_bits():
    assert render(ask(), NO_RECORDS, rcode=16)[3] == 0
    assert render(ask(), NO_RECORDS, rcode=0xFF5)[3] == 5


def test_records_have_the_class_of_the_question():
    text = RRset(pack_name("version.bind"), RRType.TXT, 0, (b"\1x",))
    response = render(ask(text.owner, qtype=RRType.TXT, qclass=RRClass.CH), Sections(answer=(text,)))
    assert response.endswith(b"\xc0\x0c\0\x10\0\3\0\0\0\0\0\2\1x")


def test_an_owner_in_the_case_of_the_question_lends_its_octets_to_no_rdata():
    glue = RRset(pack_name("a.example"), RRType.NS, 0, (pack_name("a.example"),))
    response = render(ask(pack_name("EXAMPLE")), Sections(additional=(glue,)))
    (record,) = dns.message.from_wire(response).additional
    assert record[0].to_wire() == pack_name("a.example")


def test_records_of_a_snapshot_that_is_broken_raise():
    with pytest.raises(WireError):
        render(ask(), Sections(answer=(RRset(NAME, RRType.PTR, 0, (b"\5ab",)),)))


def test_an_opt_comes_last_and_is_counted_as_additional():
    rendered = render_sections(ask(), Sections(answer=(ptr("web.example.com"),), additional=(ptr("x.example"),)), 512)
    without, record = (
        render_response(ask(), rendered, rcode=0, authoritative=True, limit=512),
        render_opt(1232, rcode=0, dnssec_ok=False),
    )
    response = render_response(ask(), rendered, rcode=0, authoritative=True, limit=512, opt=record)
    assert response == without[:10] + b"\0\2" + without[12:] + record
    truncated = render_response(ask(), rendered, rcode=0, authoritative=True, limit=len(without) - 1, opt=record)
    assert truncated == b"\x12\x34\x87\0\0\1\0\0\0\0\0\1" + question() + record


def test_records_are_the_same_behind_all_questions_of_one_length():
    below = (b"1", b"x", b"\0"), (b"in", b"YZ"), (b"in-addr", b"example")
    for labels in below:
        first, *others = (
            render_sections(ask(join_labels((label, b"10", b"in-addr", b"arpa"))), Sections(authority=(SOA,)), 512)
            for label in labels
        )
        assert first is not None
        assert all(other == first for other in others)


def test_what_is_attached_is_counted_as_additional():
    response = render(ask(), Sections(answer=(ptr("web.example.com"),), additional=(ptr("x.example"),)))
    record = render_opt(1232, rcode=0, dnssec_ok=False)
    once = attach(response, record)
    assert once == response[:10] + b"\0\2" + response[12:] + record
    assert attach(once, record)[10:12] == b"\0\3"


labels = st.lists(st.sampled_from([b"a", b"A", b"b", b"10", b"in-addr", b"In-Addr", b"\0", b"."]), max_size=5)
names = labels.map(join_labels)


@st.composite
def rrsets(draw: st.DrawFn) -> RRset:
    rtype = draw(st.sampled_from([RRType.NS, RRType.CNAME, RRType.SOA, RRType.PTR, RRType.A]))
    one = {
        RRType.SOA: st.tuples(names, names, st.binary(min_size=20, max_size=20)).map(b"".join),
        RRType.A: st.binary(min_size=4, max_size=4),
    }.get(rtype, names)
    rdatas = draw(st.lists(one, min_size=1, max_size=1 if rtype in (RRType.SOA, RRType.CNAME) else 3))
    return RRset(draw(names).lower(), rtype, draw(st.integers(0, 2**31 - 1)), tuple(rdatas))


def _flatten(rrset: RRset) -> list[tuple[bytes, int, int, bytes]]:
    return [(rrset.owner, rrset.rtype, rrset.ttl, rdata) for rdata in rrset.rdatas]


@given(names, *[st.lists(rrsets(), max_size=3).map(tuple)] * 3)
def test_dnspython_reads_what_was_rendered(qname, answer, authority, additional):
    response = render(ask(qname), Sections(answer, authority, additional), limit=MAX_MESSAGE)
    message = dns.message.from_wire(response, one_rr_per_rrset=True)
    assert message.id == ID
    assert message.question[0].name.to_wire() == qname
    for section, given_rrsets in zip(message.sections[1:], (answer, authority, additional), strict=True):
        found = [(each.name.to_wire().lower(), int(each.rdtype), each.ttl, each[0].to_wire()) for each in section]
        assert found == [record for rrset in given_rrsets for record in _flatten(rrset)]
        assert all(name.lower() == name or qname.lower() != qname for name in (each.name.to_wire() for each in section))
