import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_messages import header, opt, option, question

from blackhole_guard.wire.edns import MAX_OPTIONS, Edns, parse_opt, render_opt
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.query import parse_query
from blackhole_guard.wire.response import attach


def parse(options: bytes, ttl: int = 0, payload_size: int = 1232) -> Edns:
    return parse_opt(b"xx" + options + b"yy", 2, 2 + len(options), payload_size=payload_size, ttl=ttl)


@pytest.mark.parametrize(
    ("sent", "counted"), [(0, 512), (511, 512), (512, 512), (513, 513), (1232, 1232), (65535, 65535)]
)
def test_a_payload_size_below_512_counts_as_512(sent, counted):
    assert parse(b"", payload_size=sent).payload_size == counted


@pytest.mark.parametrize(
    ("ttl", "version", "dnssec_ok"),
    [
        (0, 0, False),
        (0x8000, 0, True),
        (0x7FFF, 0, False),  # flags that have no meaning (RFC 6891 section 6.1.4)
        (0x00010000, 1, False),
        (0x00FF8000, 255, True),
        (0xFF000000, 0, False),  # an extended RCODE in a query
    ],
)
def test_the_ttl_of_an_opt_holds_version_and_flags(ttl, version, dnssec_ok):
    edns = parse(b"", ttl=ttl)
    assert (edns.version, edns.dnssec_ok) == (version, dnssec_ok)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (b"", {}),
        (option(3), {3: b""}),
        (option(10, b"12345678") + option(3), {10: b"12345678", 3: b""}),
        (option(10, b"first") + option(10, b"second"), {10: b"first"}),
        (option(65001, bytes(500)), {65001: bytes(500)}),
    ],
)
def test_the_first_of_each_option_counts(options, expected):
    assert parse(options).options == expected


@pytest.mark.parametrize(
    "options", [b"\0", b"\0\3", b"\0\3\0", option(3, length=1), option(3) + option(10, b"ab", length=3)]
)
def test_options_that_do_not_fill_their_record_are_a_format_error(options):
    with pytest.raises(WireError):
        parse(options)


def test_there_may_be_so_many_options_and_no_more():
    assert len(parse(b"".join(option(code) for code in range(MAX_OPTIONS))).options) == MAX_OPTIONS
    with pytest.raises(WireError, match="more than 64 options"):
        parse(option(3) * (MAX_OPTIONS + 1))


@given(st.binary(max_size=400))
def test_any_octets_are_options_or_a_wire_error(octets):
    try:
        options = parse(octets).options
    except WireError:
        return
    assert sum(4 + len(data) for data in options.values()) <= len(octets)


@given(
    st.integers(0, 65535),
    st.integers(0, 4095),
    st.booleans(),
    st.lists(st.tuples(st.integers(65001, 65534), st.binary(max_size=40)), max_size=4),
)
def test_dnspython_reads_what_is_rendered(payload_size, rcode, dnssec_ok, options):
    record = render_opt(payload_size, rcode=rcode, dnssec_ok=dnssec_ok, options=options)
    message = dns.message.from_wire(attach(header(0x8000 | rcode & 15) + question(), record))
    assert message.edns == 0
    assert message.payload == payload_size
    assert message.rcode() == rcode
    assert bool(message.ednsflags & 0x8000) is dnssec_ok
    assert message.ednsflags & 0x7FFF == 0
    assert [(each.otype, each.to_wire()) for each in message.options] == options


def test_what_is_rendered_reads_back_equal():
    record = render_opt(4096, rcode=0, dnssec_ok=True, options=[(3, b"id")])
    assert record == opt(option(3, b"id"), size=4096, do=True)
    assert parse_query(header(ar=1) + question() + record).edns == Edns(4096, 0, True, {3: b"id"})
