import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update
import pytest
from memory_zones import CLIENT, STRANGER, Asker, MemoryZones, example_zones, make_query, policy
from raw_messages import ID, header, opt, option, question, question_of_size, record, tsig

from blackhole_guard.answering import engine
from blackhole_guard.answering.engine import Engine
from blackhole_guard.answering.tally import Tally
from blackhole_guard.wire.codes import Opcode, OptionCode, RCode, RRClass, RRType
from blackhole_guard.wire.names import pack_name

NAME = "3.0.0.10.in-addr.arpa"
MANY = "7.0.0.10.in-addr.arpa"  # 100 PTRs
NOTIFY = Opcode.NOTIFY << 11
UPDATE = Opcode.UPDATE << 11
SOA = record(b"\xc0\x0c", RRType.SOA, RRClass.IN, 0, b"\0\0" + bytes(20))
DROP = None


def q(name: str = NAME, qtype: int = RRType.PTR, qclass: int = RRClass.IN) -> bytes:
    return question(pack_name(name), qtype, qclass)


def outline(response: bytes | None) -> tuple[str, int, int, int, int, int] | None:
    """RCODE, the four counts, and the size."""
    if response is None:
        return None
    message = dns.message.from_wire(response, continue_on_error=True, keyring=False)
    counts = [int.from_bytes(response[at : at + 2]) for at in (4, 6, 8, 10)]
    assert int.from_bytes(response[:2]) == ID
    assert response[2] & 0x80
    return (dns.rcode.to_text(message.rcode()), counts[0], counts[1], counts[2], counts[3], len(response))


FORMERR = ("FORMERR", 0, 0, 0, 0, 12)
NOTIMP = ("NOTIMP", 0, 0, 0, 0, 12)
ANSWERED = ("NOERROR", 1, 1, 0, 0, 68)
NODATA = ("NOERROR", 1, 0, 1, 0, 96)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"", DROP),
        (b"\0", DROP),
        (header()[:11], DROP),
        *((header(0x8000 | opcode << 11) + q(), DROP) for opcode in range(16)),
        *((header(0x8000 | rcode) + q(), DROP) for rcode in range(16)),
        (header(), FORMERR),
        (header(qd=0), FORMERR),
        (header(qd=0, ar=1) + opt(), ("FORMERR", 0, 0, 0, 1, 23)),
        (header(qd=0, ar=1) + opt(option(10, bytes(8))), ("FORMERR", 0, 0, 0, 1, 23)),
        (header(qd=2) + q() + q(), FORMERR),
        (header(0x07F0) + q(), ANSWERED),  # AA, TC, RD, RA, Z, AD, CD
        (header(0x0005) + q(), ANSWERED),  # an RCODE in the query
        *((header(opcode << 11) + q(), NOTIMP) for opcode in sorted({*range(16)} - {0, 4, 5})),
        (header(2 << 11, qd=0), NOTIMP),
        (header(6 << 11, qd=0), NOTIMP),
        (header(NOTIFY) + q("10.in-addr.arpa", RRType.SOA), ("NOTAUTH", 1, 0, 0, 0, 33)),
        (header(NOTIFY, an=1) + q("10.in-addr.arpa", RRType.SOA) + SOA, ("NOTAUTH", 1, 0, 0, 0, 33)),
        (header(UPDATE) + q("10.in-addr.arpa", RRType.SOA), ("REFUSED", 1, 0, 0, 0, 33)),
        (header(UPDATE) + q("example.org", RRType.SOA), ("NOTAUTH", 1, 0, 0, 0, 29)),
        (header(UPDATE) + q("10.in-addr.arpa", RRType.SOA, RRClass.CH), ("NOTAUTH", 1, 0, 0, 0, 33)),
        (header(UPDATE) + q("10.in-addr.arpa", RRType.SOA, RRClass.ANY), ("FORMERR", 1, 0, 0, 0, 33)),
        (header(UPDATE) + q("10.in-addr.arpa", RRType.SOA, RRClass.NONE), ("FORMERR", 1, 0, 0, 0, 33)),
        (header(UPDATE) + q("10.in-addr.arpa", RRType.A), ("FORMERR", 1, 0, 0, 0, 33)),
        (header(UPDATE, an=65535) + q("10.in-addr.arpa", RRType.SOA) + b"\xff" * 9, ("REFUSED", 1, 0, 0, 0, 33)),
        (header() + b"\xc0\x0c\0\x0c\0\1", FORMERR),
        (header() + b"\xc0\x30\0\x0c\0\1", FORMERR),
        (header() + b"\x40a\0\x0c\0\1", FORMERR),
        (header() + b"\x80a\0\x0c\0\1", FORMERR),
        (header() + b"\x3fa\0\x0c\0\1", FORMERR),
        (header() + question(question_of_size(256)), FORMERR),
        (header() + question(question_of_size(255)), ("REFUSED", 1, 0, 0, 0, 271)),
        (header() + q() + b"x" * 100, ANSWERED),
        (header(an=1) + q() + b"junk", FORMERR),
        (header(ns=1) + q() + SOA, FORMERR),
        (header(ar=65535) + q(), FORMERR),
        (header() + q(NAME, RRType.TXT, RRClass.CH), ("REFUSED", 1, 0, 0, 0, 39)),
        (header() + q(NAME, RRType.PTR, RRClass.HS), ("REFUSED", 1, 0, 0, 0, 39)),
        (header() + q(NAME, RRType.PTR, RRClass.NONE), ("REFUSED", 1, 0, 0, 0, 39)),
        (header() + q(NAME, RRType.PTR, 0), ("REFUSED", 1, 0, 0, 0, 39)),
        (header() + q(NAME, RRType.PTR, RRClass.ANY), ("FORMERR", 1, 0, 0, 0, 39)),
        (header() + q(NAME, 0), NODATA),
        (header() + q(NAME, RRType.OPT), ("FORMERR", 1, 0, 0, 0, 39)),
        (header() + q(NAME, RRType.TSIG), ("FORMERR", 1, 0, 0, 0, 39)),
        (header() + q(NAME, RRType.TKEY), NODATA),
        (header() + q(NAME, RRType.MAILB), NODATA),
        (header() + q(NAME, RRType.MAILA), NODATA),
        (header() + q(NAME, 65535), NODATA),
        (header() + q(NAME, 666), NODATA),
        (header() + q("10.in-addr.arpa", RRType.AXFR), ("FORMERR", 1, 0, 0, 0, 33)),
        (header() + q("10.in-addr.arpa", RRType.IXFR), ("FORMERR", 1, 0, 0, 0, 33)),
        (header(ns=1) + q("10.in-addr.arpa", RRType.IXFR) + SOA, ("REFUSED", 1, 0, 0, 0, 33)),
        (header(ar=1) + q() + opt(version=1), ("BADVERS", 1, 0, 0, 1, 50)),
        (header(ar=1) + q() + opt(version=255), ("BADVERS", 1, 0, 0, 1, 50)),
        (header(ar=2) + q() + opt() + opt(), FORMERR),
        (header(NOTIFY, an=1) + q() + opt(), FORMERR),
        (header(ar=1) + q() + opt(length=9), FORMERR),
        (header(ar=1) + q() + opt(option(3, length=9)), FORMERR),
        (header(ar=1) + q() + opt(owner=b"\1x\0"), FORMERR),
        (header(ar=1) + q(MANY) + opt(size=0), ("NOERROR", 1, 0, 0, 1, 50)),
        (header(ar=1) + q(MANY) + opt(size=511), ("NOERROR", 1, 0, 0, 1, 50)),
        (header(ar=1) + q(MANY) + opt(size=65535), ("NOERROR", 1, 0, 0, 1, 50)),
        (header() + q(MANY), ("NOERROR", 1, 0, 0, 0, 39)),
        (header(ar=1) + q() + opt(option(10, bytes(8)) + option(10, bytes(16))), ("NOERROR", 1, 1, 0, 1, 79)),
        (header(ar=1) + q() + opt(option(10, bytes(7))), ("NOERROR", 1, 1, 0, 1, 79)),  # we have no cookies
        (header(ar=1) + q() + opt(option(11, bytes(2))), ("NOERROR", 1, 1, 0, 1, 79)),
        (header(ar=1) + q() + opt(option(65001, bytes(200))), ("NOERROR", 1, 1, 0, 1, 79)),
        (header(ar=1) + q() + tsig(), ("NOTAUTH", 1, 0, 0, 1, 39 + 13 + 10 + 13 + 16)),
        (header(ar=2) + q() + opt() + tsig(), ("NOTAUTH", 1, 0, 0, 2, 50 + 13 + 10 + 13 + 16)),
        (header(NOTIFY, ar=1) + q() + tsig(), ("NOTAUTH", 1, 0, 0, 1, 39 + 13 + 10 + 13 + 16)),
        (header(ar=1) + q() + record(b"\1k\0", RRType.TSIG, RRClass.ANY, 0, b""), FORMERR),
        (header(ar=2) + q() + tsig() + opt(), FORMERR),
        (header() + q(r"\027[2J.10.in-addr.arpa"), ("NXDOMAIN", 1, 0, 1, 0, 95)),
        (header() + q(r"\000.10.in-addr.arpa"), ("NXDOMAIN", 1, 0, 1, 0, 92)),
        (header() + q("0.10.in-addr.arpa"), ("NOERROR", 1, 0, 1, 0, 92)),
        (header() + q("version.bind", RRType.TXT, RRClass.CH), ("REFUSED", 1, 0, 0, 0, 30)),
    ],
)
def test_whatever_comes_gets_the_answer_of_this_table(message, expected):
    assert outline(Asker().send(message)) == expected


@pytest.mark.parametrize("qtype", range(0, 65536, 4099))
@pytest.mark.parametrize("qclass", [0, 1, 2, 3, 4, 253, 254, 255, 65535])
def test_every_type_and_class_gets_an_answer(qtype, qclass):
    for tcp in (False, True):
        assert outline(Asker().send(header() + q(NAME, qtype, qclass), tcp=tcp)) is not None


def test_every_type_gets_an_answer():
    asker = Asker()
    for qtype in range(65536):
        assert asker.send(header() + q(NAME, qtype)) is not None
    assert sum(asker.counts("queries").values()) == 65536


def test_the_question_comes_back_octet_for_octet():
    name = pack_name("3.0.0.10.iN-aDdR.aRpA")
    response = Asker().send(header(0x0100) + question(name))
    assert response is not None
    assert response[12 : 12 + len(name)] == name
    assert response[6:8] == b"\0\1"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [(0x0000, 0x8400), (0x0100, 0x8500), (0x0130, 0x8500), (0x0030, 0x8400), (0x07FF, 0x8500)],
)
def test_of_the_flags_rd_alone_is_copied(flags, expected):
    """RA is never set; AD and CD are clear in what is authoritative (RFC 4035 section 3.1.6, RFC 8906 section 8.1)."""
    response = Asker().send(header(flags) + q())
    assert response is not None
    assert int.from_bytes(response[2:4]) == expected


def test_aa_is_set_on_what_is_ours_and_only_there():
    asker = Asker()
    authoritative = {
        name: bool(asker.ask(make_query(name, rtype)).flags & dns.flags.AA)
        for name, rtype in [
            (NAME, "PTR"),
            ("9.9.9.10.in-addr.arpa", "PTR"),
            ("9.10.in-addr.arpa", "PTR"),
            ("65.2.1.10.in-addr.arpa", "PTR"),
            ("1.20.10.in-addr.arpa", "PTR"),
            ("example.org", "A"),
        ]
    }
    assert list(authoritative.values()) == [True, True, True, True, False, False]


@pytest.mark.parametrize("size", [512, 600, 1232, 1400, 4096])
@pytest.mark.parametrize("ours", [512, 1232, 4096])
def test_a_datagram_is_no_larger_than_both_sides_take(size, ours):
    asker = Asker(udp_payload_size=ours)
    query = make_query("1.30.10.in-addr.arpa", use_edns=0, payload=size)
    response = asker.send(query.to_wire())
    assert response is not None
    message = dns.message.from_wire(response)
    assert message.payload == ours
    assert bool(message.flags & dns.flags.TC) is (len(asker.send(query.to_wire(), tcp=True) or b"") > min(size, ours))
    assert len(response) <= min(size, ours)


def test_what_does_not_fit_comes_whole_over_tcp():
    asker = Asker()
    short = asker.ask(make_query(MANY, use_edns=0))
    assert short.flags & dns.flags.TC
    assert [len(section) for section in short.sections] == [1, 0, 0, 0]
    whole = asker.ask(make_query(MANY), tcp=True)
    assert not whole.flags & dns.flags.TC
    assert len(whole.answer[0]) == 100


def test_a_referral_without_room_for_its_glue_is_truncated():
    """RFC 9471 section 3."""
    asker = Asker()
    short = asker.ask(make_query("1.30.10.in-addr.arpa"))
    assert short.flags & dns.flags.TC
    assert [len(section) for section in short.sections] == [1, 0, 0, 0]
    whole = asker.ask(make_query("1.30.10.in-addr.arpa", use_edns=0))
    assert (len(whole.authority[0]), len(whole.additional)) == (9, 18)


@pytest.mark.parametrize("want_dnssec", [True, False])
def test_do_is_copied(want_dnssec):
    response = Asker().ask(make_query(NAME, want_dnssec=want_dnssec, use_edns=0))
    assert bool(response.ednsflags & dns.flags.DO) is want_dnssec
    assert not response.flags & dns.flags.AD


def test_who_has_no_edns_gets_none():
    assert Asker(nsid="n").ask(make_query(NAME)).edns == -1


@pytest.mark.parametrize(("setting", "expected"), [(None, []), ("fra-1", [(3, b"fra-1")])])
def test_nsid_is_sent_to_who_asks_where_it_is_set(setting, expected):
    asker = Asker(nsid=setting)
    asked = asker.ask(make_query(NAME, options=[dns.edns.GenericOption(OptionCode.NSID, b"")]))
    assert [(int(each.otype), each.to_wire()) for each in asked.options] == expected
    assert asker.ask(make_query(NAME, use_edns=0)).options == ()
    twice = asker.send(header(ar=1) + q() + opt(option(3) + option(3)))
    assert twice is not None
    assert twice.count(b"fra-1") == len(expected)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (make_query("www.example.org", "A", use_edns=0), 20),
        (make_query("1.20.10.in-addr.arpa", rd=True, use_edns=0), 20),
        (make_query("10.in-addr.arpa", "AXFR", use_edns=0), 18),
        (make_query(NAME, rclass="CH", use_edns=0), None),
        (make_query(NAME, use_edns=0), None),
    ],
)
def test_a_refusal_says_why_where_there_is_edns(query, code):
    response = Asker().ask(query, tcp=True)
    assert [int(each.code) for each in response.options if isinstance(each, dns.edns.EDEOption)] == (
        [] if code is None else [code]
    )


@pytest.mark.parametrize(
    "message",
    [
        header() + q(),
        header() + q(MANY),
        header() + q("example.org", RRType.ANY),
        header() + q("version.bind", RRType.TXT, RRClass.CH),
        header(ar=1) + q() + opt(),
        header(ar=1) + q() + opt(option(3)),
        header(ar=1) + q() + opt(option(10, bytes(1))),
        header(ar=1) + q() + opt(option(10, bytes(2))),
        header(ar=1) + q() + opt(option(10, bytes(8))),
        header(ar=1) + q() + opt(option(3) + option(10, bytes(8))),
        header(ar=1) + q() + opt(version=1),
        header(ar=1) + q() + tsig(),
        header(NOTIFY) + q("10.in-addr.arpa", RRType.SOA),
        header(UPDATE) + q("10.in-addr.arpa", RRType.SOA),
        header() + question(question_of_size(255)),
    ],
)
@pytest.mark.parametrize("tcp", [False, True])
def test_strangers_are_refused_with_no_more_octets_than_they_sent(message, tcp):
    asker = Asker(version="1.0", nsid="n" * 64)
    response = asker.send(message, source=STRANGER, tcp=tcp)
    assert response is not None
    assert outline(response)[0] == "REFUSED"
    assert len(response) <= len(message)
    assert asker.counts("refused") == {("client",): 1}


@pytest.mark.parametrize(("octets", "codes"), [(0, []), (1, []), (2, [18]), (8, [18])])
def test_strangers_are_told_why_where_it_fits(octets, codes):
    query = make_query(NAME, options=[dns.edns.GenericOption(OptionCode.COOKIE, bytes(octets))])
    message = header(ar=1) + q() + opt(option(10, bytes(octets)))
    response = Asker().send(message, source=STRANGER)
    assert response is not None
    assert [int(each.code) for each in dns.message.from_wire(response).options] == codes
    assert query.edns == 0


@pytest.mark.parametrize("message", [header(), header() + b"\xc0\x0c\0\x0c\0\1", header(3 << 11), header(qd=0)])
def test_strangers_get_format_errors_as_everybody_does(message):
    asker = Asker()
    assert asker.send(message, source=STRANGER) == asker.send(message, source=CLIENT)


def test_who_may_ask_is_a_setting():
    assert Asker(allow_query=("any",)).ask(make_query(NAME), source=STRANGER).rcode() == dns.rcode.NOERROR
    assert Asker(allow_query=("loopback",)).ask(make_query(NAME)).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize(
    ("recursive_clients", "rd", "rcode"),
    [
        ("refuse", False, "NOERROR"),
        ("refuse", True, "REFUSED"),
        ("refer", False, "NOERROR"),
        ("refer", True, "NOERROR"),
    ],
)
def test_below_a_delegation_the_setting_decides_what_recursion_gets(recursive_clients, rd, rcode):
    asker = Asker(recursive_clients=recursive_clients)
    response = asker.ask(make_query("1.20.10.in-addr.arpa", rd=rd))
    assert dns.rcode.to_text(response.rcode()) == rcode
    assert bool(response.authority) is (rcode == "NOERROR")
    assert bool(response.flags & dns.flags.RD) is rd
    assert asker.counts("refused") == ({("delegated",): 1} if rcode == "REFUSED" else {})


@pytest.mark.parametrize(
    ("name", "rtype", "version", "identity", "text"),
    [
        ("version.bind", "TXT", "1.0", None, '"1.0"'),
        ("VERSION.BIND", "TXT", "1.0", None, '"1.0"'),
        ("version.server", "TXT", "1.0", None, '"1.0"'),
        ("version.server", "ANY", "1.0", None, '"1.0"'),
        ("version.server", "TXT", "", None, '""'),
        ("version.server", "TXT", "v" * 255, None, '"' + "v" * 255 + '"'),
        ("id.server", "TXT", None, "fra", '"fra"'),
        ("hostname.bind", "TXT", None, "fra", '"fra"'),
        ("id.server", "TXT", "1.0", None, None),
        ("version.bind", "TXT", None, "fra", None),
        ("version.bind", "A", "1.0", "fra", None),
        ("authors.bind", "TXT", "1.0", "fra", None),
        (NAME, "TXT", "1.0", "fra", None),
    ],
)
def test_the_names_of_class_ch_answer_where_they_are_set(name, rtype, version, identity, text):
    asker = Asker(version=version, identity=identity)
    response = asker.ask(make_query(name, rtype, rclass="CH"))
    if text is None:
        assert (response.rcode(), response.answer) == (dns.rcode.REFUSED, [])
        assert asker.counts("refused") == {("class",): 1}
    else:
        assert response.flags & dns.flags.AA
        assert response.answer[0].to_text() == f"{name} 0 CH TXT {text}".replace(name, f"{name}.", 1)
        assert asker.counts("leaks_averted") == {}


def test_the_names_of_class_ch_do_not_answer_in_class_in_or_hs():
    asker = Asker(version="1.0")
    for rclass in ("IN", "HS"):
        assert asker.ask(make_query("version.bind", "TXT", rclass=rclass)).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize(
    ("qtype", "soa", "tcp", "rcode"),
    [
        ("AXFR", False, True, "REFUSED"),
        ("AXFR", False, False, "FORMERR"),
        ("IXFR", True, True, "REFUSED"),
        ("IXFR", True, False, "REFUSED"),
        ("IXFR", False, True, "FORMERR"),
        ("IXFR", False, False, "FORMERR"),
    ],
)
def test_transfers_are_not_given(qtype, soa, tcp, rcode):
    asker = Asker()
    message = header(ns=int(soa)) + q("10.in-addr.arpa", RRType[qtype]) + (SOA if soa else b"")
    assert outline(asker.send(message, tcp=tcp)) == (rcode, 1, 0, 0, 0, 33)
    assert asker.counts("refused") == ({("transfer",): 1} if rcode == "REFUSED" else {})


def test_who_signs_learns_that_we_have_no_keys():
    """RFC 8945 section 5.2.1, with a resolver that checks."""
    keyring = dns.tsigkeyring.from_text({"key.example.": "c2VjcmV0"})
    query = make_query(NAME, use_edns=0)
    query.use_tsig(keyring)
    response = Asker().send(query.to_wire())
    assert response is not None
    assert response[3] & 15 == RCode.NOTAUTH
    with pytest.raises(dns.tsig.PeerBadKey):
        dns.message.from_wire(response, keyring=keyring, request_mac=query.mac)


def test_a_signature_that_does_not_fit_is_left_out_and_tc_set():
    long = pack_name(".".join(["k" * 63] * 3 + ["k" * 61]))
    message = header(ar=1) + question(question_of_size(255)) + tsig(key=long, algorithm=long)
    asker = Asker()
    assert outline(asker.send(message)) == ("NOTAUTH", 1, 0, 0, 0, 271)
    assert (asker.send(message) or b"")[2] & 0x02
    assert outline(asker.send(message, tcp=True)) == ("NOTAUTH", 1, 0, 0, 1, 271 + 255 + 10 + 255 + 16)


def test_an_update_from_the_field_is_refused():
    update = dns.update.UpdateMessage("10.in-addr.arpa")
    update.absent("3.0.0")
    update.replace("3.0.0", 1200, "PTR", "pc.corp.example.com.")
    asker = Asker()
    response = asker.send(update.to_wire())
    assert response is not None
    assert response[:12] == update.to_wire()[:2] + b"\xa8\5\0\1\0\0\0\0\0\0"
    assert asker.counts("refused") == {("update",): 1}


def test_the_bomb_is_refused_by_its_header():
    """A name of 126 labels and 4,670 records whose owners point into it: general decoders take seconds."""
    name = b"\1a" * 126 + b"\0"
    records = record(b"\xc0\x0c", RRType.PTR, RRClass.IN, 0, b"\xc0\x0c") * 4670
    for counts in ({"an": 4670}, {"ns": 4670}, {"ar": 4670}, {"ar": 2}, {}):
        bomb = (header(**counts) + question(name) + records)[:65535]
        assert outline(Asker().send(bomb, tcp=True)) == (
            ("REFUSED", 1, 0, 0, 0, 12 + 257) if counts in ({"ar": 2}, {}) else FORMERR
        )


@pytest.mark.parametrize("source", [CLIENT, STRANGER, bytes(15) + b"\1", b"", bytes(7)])
@pytest.mark.parametrize("tcp", [False, True])
def test_each_message_is_counted_once_by_transport_and_family(source, tcp):
    asker = Asker()
    asker.send(header() + q(), source=source, tcp=tcp)
    rcode = "NOERROR" if source in (CLIENT, bytes(15) + b"\1") else "REFUSED"
    family = "ipv4" if len(source) == 4 else "ipv6"
    assert asker.counts("queries") == {("tcp" if tcp else "udp", family, "PTR", rcode): 1}


@pytest.mark.parametrize(
    ("message", "key"),
    [
        (header() + q(NAME, RRType.MAILB), ("queries", "udp", "ipv4", "other", "NOERROR")),
        (header() + q("1.10.in-addr.arpa", RRType.A), ("queries", "udp", "ipv4", "A", "NOERROR")),  # PARTIAL
        (header() + q("9.9.9.10.in-addr.arpa"), ("queries", "udp", "ipv4", "PTR", "NXDOMAIN")),
        (header() + q("example.org"), ("queries", "udp", "ipv4", "PTR", "REFUSED")),
        (header(), ("queries", "udp", "ipv4", "none", "FORMERR")),
        (header(qd=0), ("queries", "udp", "ipv4", "none", "FORMERR")),
        (header(3 << 11), ("queries", "udp", "ipv4", "none", "NOTIMP")),
        (header(NOTIFY) + q(), ("queries", "udp", "ipv4", "none", "NOTAUTH")),
        (header(UPDATE) + q("10.in-addr.arpa", RRType.SOA), ("queries", "udp", "ipv4", "none", "REFUSED")),
        (header(ar=1) + q() + opt(version=1), ("queries", "udp", "ipv4", "PTR", "BADVERS")),
        (header(UPDATE) + q("10.in-addr.arpa", RRType.SOA), ("updates", "refused")),
        (header(UPDATE) + q("example.org", RRType.SOA), ("updates", "notauth")),
        (header(UPDATE) + q("10.in-addr.arpa", RRType.A), ("updates", "formerr")),
        (header() + q("example.org"), ("refused", "outside")),
        (b"short", ("unanswered", "short")),
        (header(0x8000), ("unanswered", "response")),
    ],
)
def test_messages_are_counted_as_what_they_are(message, key):
    asker = Asker()
    asker.send(message)
    counts = asker.tally.take()
    assert counts[key] == 1
    assert sum(n for counted, n in counts.items() if counted[0] in ("queries", "unanswered")) == 1


class BrokenZones(MemoryZones):
    def find_rrsets(self, name):
        raise OSError("the disk is gone")


def test_when_the_snapshot_cannot_be_read_who_asks_gets_servfail():
    zones, tally, errors = BrokenZones(), Tally(), []
    zones.add_zone("10.in-addr.arpa", "10.0.0.0/8")
    engine = Engine(zones, policy(), tally, errors.append)
    assert outline(engine.respond(header(0x0100) + q(), CLIENT, over_tcp=False)) == ("SERVFAIL", 0, 0, 0, 0, 12)
    assert tally.take() == {("answer_errors",): 1, ("queries", "udp", "ipv4", "none", "SERVFAIL"): 1}
    assert [str(error) for error in errors] == ["the disk is gone"]


def test_a_response_without_its_opt_is_the_same_for_all_opts():
    """What a response cache builds on: the OPT adds itself and takes room, and changes nothing else."""
    asker = Asker(nsid="x")
    for name in (NAME, "9.9.9.10.in-addr.arpa", "1.20.10.in-addr.arpa", "example.org"):
        plain = asker.send(header() + q(name))
        assert plain is not None
        for options in (b"", option(3), option(10, bytes(8)), option(8, bytes(7))):
            extended = asker.send(header(ar=1) + q(name) + opt(options))
            assert extended is not None
            additional = int.from_bytes(plain[10:12]) + 1
            assert extended[: len(plain)] == plain[:10] + additional.to_bytes(2) + plain[12:]


@pytest.mark.parametrize("most", [3, 4096])
def test_denials_that_are_remembered_are_bounded_and_those_of_the_zone_and_the_length(monkeypatch, most):
    monkeypatch.setattr(engine, "_MOST_DENIALS", most)
    asker = Asker()
    for label in ("x", "Y", "xx", "x" * 4, "x" * 7, "xx", "y"):  # some make names of one length in several zones
        for apex in ("home.arpa", "10.in-addr.arpa", "5.1.10.in-addr.arpa", "d.f.ip6.arpa"):
            for rtype in ("TXT", "PTR"):
                query = make_query(f"{label}.{apex}", rtype)
                assert [(each.name.to_text(), each.ttl) for each in asker.ask(query).authority] == [(f"{apex}.", 300)]
                assert asker.send(query.to_wire()) == Asker().send(query.to_wire())
                assert len(asker.engine._denials) <= most


def test_the_example_zones_fulfil_the_protocol():
    zones = example_zones()
    assert zones.find_enclosing(pack_name("example.org")) is None
    assert zones.find_parent(pack_name("10.in-addr.arpa")) is None
    assert zones.find_parent(pack_name("5.20.10.in-addr.arpa")) is None
