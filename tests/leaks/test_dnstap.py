"""What is read of dnstap frames, held against frames that the test writes itself."""

from ipaddress import ip_address

import pytest
from dnstap_frames import AT, KINDS, encode, frame, query
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.dnstap import KINDS as NAMES
from blackhole_guard.leaks.dnstap import Event, read_frame
from blackhole_guard.leaks.evidence import EvidenceError
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import pack_name

NAME = pack_name("3.0.0.10.in-addr.arpa")
CLIENT, SERVER = ip_address("10.0.0.5").packed, ip_address("192.175.48.6").packed


@pytest.mark.parametrize("kind", ["CLIENT_QUERY", "RESOLVER_QUERY", "FORWARDER_QUERY"])
def test_a_query_tells_who_asks_whom_for_what_and_when(kind):
    octets = frame(kind, "3.0.0.10.IN-ADDR.arpa", client="10.0.0.5", server="192.175.48.6")
    number, event = read_frame(octets)
    assert NAMES[number] == kind.lower()
    assert event == Event(KINDS[kind], AT, NAME, RRType.PTR, 1, False, kind != "RESOLVER_QUERY", CLIENT, SERVER, None)


@pytest.mark.parametrize("kind", ["RESOLVER_RESPONSE", "FORWARDER_RESPONSE"])
def test_a_response_tells_how_long_it_took(kind):
    _, event = read_frame(frame(kind, client="10.0.0.5", server="2620:4f:8000::6", seconds=0.5))
    assert event is not None
    assert (event.seconds, event.responder) == (0.5, ip_address("2620:4f:8000::6").packed)


def test_a_resolvers_query_that_desires_recursion_is_a_forwarded_one():
    _, event = read_frame(frame("RESOLVER_QUERY", flags=0x0100))
    assert event is not None and event.is_forwarded


def test_an_update_is_told_from_a_query():
    octets = frame("RESOLVER_QUERY", "0.0.10.in-addr.arpa", RRType.SOA, flags=0x2800)
    _, event = read_frame(octets)
    assert event is not None and event.is_update


@pytest.mark.parametrize(
    "octets",
    [
        frame("CLIENT_QUERY", "www.example.com"),
        frame("CLIENT_QUERY", message=b""),
        frame("CLIENT_QUERY", message=query("3.0.0.10.in-addr.arpa")[:-3]),
        frame("CLIENT_QUERY", message=query("3.0.0.10.in-addr.arpa", flags=0x8000)),  # a response
        frame("RESOLVER_RESPONSE", message=query("3.0.0.10.in-addr.arpa")),  # a query
        frame("CLIENT_QUERY", message=bytes(12) + NAME + b"\0\x0c\0\1"),  # no question
        frame("CLIENT_QUERY", message=query("3.0.0.10.in-addr.arpa", flags=0x2000)),  # a NOTIFY
        frame("CLIENT_QUERY", message=bytes(5) + b"\1" + bytes(6) + b"\xc0\x0c" + NAME),  # a pointer
        encode([(15, 1)]),  # no message
        encode([(14, encode([(1, 1), (10, query("3.0.0.10.in-addr.arpa"))]))]),  # AUTH_QUERY
        encode([(14, encode([(1, 99), (10, query("3.0.0.10.in-addr.arpa"))]))]),  # what is yet to come
        b"",
    ],
)
def test_what_concerns_nobody(octets):
    number, event = read_frame(octets)
    assert event is None
    assert 0 <= number < len(NAMES)


def test_a_kind_that_came_later_is_another():
    assert read_frame(encode([(14, encode([(1, 99)]))])) == (0, None)
    assert NAMES[0] == "other"


@pytest.mark.parametrize("octets", [b"\xff" * 40, frame("CLIENT_QUERY")[:-9], b"\x72\xff\xff\xff\xff\x7f", b"\x77"])
def test_what_is_no_dnstap_message_is_an_error(octets):
    with pytest.raises(EvidenceError):
        read_frame(octets)


def test_fields_that_nobody_asks_for_are_stepped_over():
    message = encode([(99, b"x" * 300), (1, 5), (20, 7), (10, query("3.0.0.10.in-addr.arpa")), (11, b"\0"), (15, b"")])
    _, event = read_frame(encode([(3, b"extra"), (14, message), (200, b"y")]))
    assert event is not None
    assert (event.at, event.initiator, event.responder) == (0.0, None, None)


@pytest.mark.parametrize(
    "fields",
    [
        [(4, b"\x0a\0\0"), (5, bytes(17))],  # no addresses
        [(8, (1 << 64) - 1), (12, (1 << 64) - 1)],  # no times
        [(8, 5), (12, 4)],  # a response before its query
    ],
)
def test_values_that_cannot_be_are_as_if_they_were_not_there(fields):
    message = encode([(1, 4), *fields, (14, query("3.0.0.10.in-addr.arpa", flags=0x8000))])
    _, event = read_frame(encode([(14, message)]))
    assert event is not None
    assert (event.initiator, event.responder, event.seconds) == (None, None, None)


@given(
    st.binary(max_size=400)
    | st.lists(st.tuples(st.integers(1, 17), st.integers(0, 1 << 64) | st.binary(max_size=40)), max_size=8).map(
        lambda fields: encode([(14, encode(fields))])
    )
    | st.tuples(st.binary(max_size=60), st.sampled_from(sorted(KINDS))).map(
        lambda pair: frame(pair[1], message=pair[0] + NAME)
    )
)
def test_any_octets_are_read_or_are_an_error(octets):
    try:
        number, event = read_frame(octets)
    except EvidenceError:
        return
    assert 0 <= number < len(NAMES)
    assert event is None or event.name.endswith(b"\x04arpa\0")
