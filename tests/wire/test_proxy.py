from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.proxy import (
    MAX_HEADER,
    SIGNATURE,
    ProxyHeader,
    find_header_end,
    is_proxied,
    parse_proxy_header,
)


def render(source, *, command=0x21, transport=2, more=b""):
    packed = ip_address(source).packed
    family = (1 if len(packed) == 4 else 2) << 4 | transport
    rest = packed + bytes(len(packed)) + b"\x30\x39\0\x35" + more
    return SIGNATURE + bytes((command, family)) + len(rest).to_bytes(2) + rest


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6), st.sampled_from((1, 2)), st.binary(max_size=40), st.binary())
def test_what_a_proxy_says_is_read(source, transport, tlvs, message):
    header = render(source, transport=transport, more=tlvs)
    mapped = getattr(source, "ipv4_mapped", None)
    assert parse_proxy_header(header + message) == ProxyHeader((mapped or source).packed, len(header))


def test_an_address_that_is_mapped_is_unmapped():
    assert parse_proxy_header(render("::ffff:10.1.2.3")).source == ip_address("10.1.2.3").packed


@pytest.mark.parametrize(
    "header",
    [
        render("10.1.2.3", command=0x20),  # LOCAL: a check of health
        SIGNATURE + b"\x21\0\0\0",  # UNSPEC
        SIGNATURE + b"\x20\0\0\3abc",
    ],
)
def test_a_proxy_that_asks_for_itself(header):
    assert parse_proxy_header(header + b"message") == ProxyHeader(None, len(header))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        SIGNATURE,
        render("10.1.2.3")[:-1],
        render("10.1.2.3", command=0x11),  # version 1
        render("10.1.2.3", command=0x22),
        render("10.1.2.3", transport=0),
        SIGNATURE + b"\x21\x31\0\x0c" + bytes(12),  # a Unix socket
        SIGNATURE + b"\x21\x11\0\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\0\x23" + bytes(35),
        SIGNATURE + b"\x21\x11" + (MAX_HEADER - 15).to_bytes(2) + bytes(MAX_HEADER),
    ],
)
def test_what_is_malformed_is_an_error_and_not_answered(octets):
    with pytest.raises(WireError) as caught:
        parse_proxy_header(octets)
    assert caught.value.rcode is None


@given(st.binary(max_size=60), st.booleans())
def test_any_octets_are_a_header_or_an_error(octets, signed):
    octets = SIGNATURE + octets if signed else octets
    try:
        source, size = parse_proxy_header(octets)
    except WireError:
        return
    assert is_proxied(octets)
    assert size <= len(octets)
    assert source is None or len(source) in (4, 16)


@given(st.integers(0, 60))
def test_a_stream_says_where_its_header_ends_once_that_is_there(length):
    header = render("10.1.2.3")
    assert find_header_end((header + b"message")[:length]) == (len(header) if length >= 16 else None)


@given(st.binary(min_size=1))
def test_a_stream_without_one_says_so(octets):
    if not SIGNATURE.startswith(octets[:12]):
        assert find_header_end(octets) == 0
