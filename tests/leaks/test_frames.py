"""From a frame to its segment: a row for each link layer and each way to hide a segment in it."""

from ipaddress import ip_address
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import frames as made
from blackhole_guard.leaks.frames import LinkType, TcpFields, find_ip, parse_segment

IPV4 = made.ip("192.0.2.1", "192.175.48.6", made.UDP, made.udp(1024, 53, b"question"))
IPV6 = made.ip("2001:db8::1", "2620:4f:8000::6", made.UDP, made.udp(1024, 53, b"question"))
LINK_TYPES = (made.ETHERNET, made.SLL, made.SLL2, made.RAW, made.NULL, 108, 12, 228)


@pytest.mark.parametrize("packet", [IPV4, IPV6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("link_type", LINK_TYPES)
def test_a_datagram_is_found_in_each_link_layer(link_type, packet):
    frame = made.framed(made.NULL if link_type == 108 else link_type, packet)
    segment = parse_segment(link_type, frame)
    assert segment is not None
    assert segment.destination in (ip_address("192.175.48.6").packed, ip_address("2620:4f:8000::6").packed)
    assert (segment.source_port, segment.destination_port) == (1024, 53)
    assert (segment.payload, segment.missing, segment.tcp) == (b"question", 0, None)


@pytest.mark.parametrize("tags", [(0x8100,), (0x88A8, 0x8100), (0x9100, 0x8100), (0x8100, 0x8100)])
@pytest.mark.parametrize("link_type", [made.ETHERNET, made.SLL, made.SLL2])
def test_tags_are_passed_over(link_type, tags):
    for packet in (IPV4, IPV6):
        segment = parse_segment(link_type, made.framed(link_type, packet, *tags))
        assert segment is not None and segment.payload == b"question"


def test_three_tags_are_one_too_many():
    assert parse_segment(made.ETHERNET, made.ethernet(IPV4, 0x8100, 0x8100, 0x8100)) is None


def test_the_padding_of_a_short_frame_is_no_payload():
    segment = parse_segment(made.ETHERNET, made.ethernet(IPV4) + bytes(20))
    assert segment is not None and segment.payload == b"question"


@pytest.mark.parametrize(
    "extensions",
    [
        pack("!BB6x", 17, 0),  # destination options, then UDP
        pack("!BB6x", 0, 0) + pack("!BB14x", 43, 1) + pack("!BB6x", 17, 0),  # hop-by-hop, routing
        pack("!BB6x", 44, 0) + pack("!BxHI", 17, 1, 7),  # the first fragment
        pack("!BB6x", 51, 0) + pack("!BB22x", 17, 4),  # authentication: its length is in words of four
    ],
)
def test_extension_headers_are_passed_over(extensions):
    packet = made.ip("2001:db8::1", "2620:4f:8000::6", made.UDP, made.udp(1024, 53, b"question"), extensions=extensions)
    segment = parse_segment(made.RAW, packet)
    assert segment is not None and segment.payload == b"question"


@pytest.mark.parametrize(
    "extensions",
    [
        pack("!BB6x", 44, 0) + pack("!BxHI", 17, 8 << 3, 7),  # a later fragment
        pack("!BB6x", 59, 0),  # no next header
        pack("!BB6x", 60, 0) * 8 + pack("!BB6x", 17, 0),  # a chain that nobody needs
        pack("!BB6x", 60, 200),  # a header that runs over the end
    ],
)
def test_what_does_not_begin_a_segment_is_none(extensions):
    packet = made.ip("2001:db8::1", "2620:4f:8000::6", made.UDP, made.udp(1024, 53, b"q"), extensions=extensions)
    assert parse_segment(made.RAW, packet) is None


def test_the_first_fragment_of_a_datagram_is_read_and_not_whole():
    whole = made.udp(1024, 53, b"question and more that comes later")
    packet = made.ip("192.0.2.1", "192.175.48.6", made.UDP, whole[:16], fragment=0x2000)
    segment = parse_segment(made.RAW, packet)
    assert segment is not None
    assert (segment.payload, segment.missing) == (b"question", 26)
    later = made.ip("192.0.2.1", "192.175.48.6", made.UDP, whole[16:], fragment=2)
    assert parse_segment(made.RAW, later) is None


def test_what_a_capture_has_cut_off_is_missing():
    segment = parse_segment(made.RAW, IPV4[:-3])
    assert segment is not None
    assert (segment.payload, segment.missing) == (b"quest", 3)
    stream = made.ip("192.0.2.1", "192.175.48.6", made.TCP, made.tcp(1024, 53, 7, made.ACK, b"question"))
    segment = parse_segment(made.RAW, stream[:-3])
    assert segment is not None
    assert (segment.payload, segment.missing, segment.tcp) == (b"quest", 3, TcpFields(7, made.ACK))


def test_a_length_of_0_means_what_is_there():
    packet = bytearray(IPV4)
    packet[2:4] = bytes(2)
    packet[24:26] = bytes(2)
    segment = parse_segment(made.RAW, bytes(packet))
    assert segment is not None and segment.payload == b"question"


@given(st.sampled_from([*LinkType, 147]), st.binary(max_size=120))
def test_any_octets_are_a_segment_or_none(link_type, octets):
    segment = parse_segment(link_type, octets)
    assert segment is None or (len(segment.payload) <= len(octets) and segment.missing >= 0)


@given(
    st.sampled_from([made.ETHERNET, made.SLL, made.SLL2, made.RAW, made.NULL]),
    st.sampled_from([IPV4, IPV6]),
    st.data(),
)
def test_frames_with_a_few_octets_changed_are_a_segment_or_none(link_type, packet, data):
    frame = bytearray(made.framed(link_type, packet))
    for position in data.draw(st.lists(st.integers(0, len(frame) - 1), max_size=4)):
        frame[position] = data.draw(st.integers(0, 255))
    frame = frame[: data.draw(st.integers(0, len(frame)))]
    parse_segment(link_type, bytes(frame))
    start = find_ip(link_type, bytes(frame))
    assert start is None or frame[start] >> 4 in (4, 6)
