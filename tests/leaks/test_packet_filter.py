"""The BPF programs: libpcap's machine runs them, and says of each frame what Python says."""

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from the_libpcap import libpcap

from bench import frames as made
from blackhole_guard.leaks.frames import LinkType
from blackhole_guard.leaks.packet_filter import COOKED, is_to_or_from_a_sink, make_filter

pytestmark = pytest.mark.peers("tcpdump")

SINKS = ("192.175.48.6", "192.31.196.1", "2620:4f:8000::42", "2001:4:112::1")
OTHERS = ("192.175.49.6", "10.0.0.1", "2620:4f:8001::6", "2001:db8::1")
# The first and the last of each prefix, and those before and behind them.
INSIDE = (
    *("192.175.48.0", "192.175.48.255", "192.31.196.0", "192.31.196.255", "2620:4f:8000::", "2001:4:112::"),
    *("2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "2001:4:112:ffff:ffff:ffff:ffff:ffff"),
)
OUTSIDE = (
    *("0.0.0.0", "192.31.195.255", "192.31.197.0", "192.100.0.1", "192.175.47.255", "192.175.49.0", "255.255.255.255"),
    *("::", "2001:4:111:ffff:ffff:ffff:ffff:ffff", "2001:4:113::", "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff"),
    *("2001:4:8000::", "2620:4f:112::", "2620:4f:8001::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
)


def accepts(link_type: int, frame: bytes) -> bool:
    run = libpcap()._library.bpf_filter
    run.restype, run.argtypes = ctypes.c_uint, (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint, ctypes.c_uint)
    return run(make_filter(link_type), frame, len(frame), len(frame)) != 0


def packet(source: str, destination: str) -> bytes:
    return made.ip(source, destination, made.UDP, made.udp(1024, 53, b"question"))


def pair(address: str) -> str:
    return "2001:db8::2" if ":" in address else "192.0.2.2"


@pytest.mark.parametrize("link_type", list(LinkType))
@pytest.mark.parametrize("address", [*SINKS, *OTHERS])
def test_either_address_of_a_sink_is_enough(link_type, address):
    for ours, theirs in ((address, pair(address)), (pair(address), address)):
        frame = made.framed(made.NULL if link_type == LinkType.LOOP else link_type, packet(ours, theirs))
        assert accepts(link_type, frame) == is_to_or_from_a_sink(link_type, frame) == (address in SINKS)


@pytest.mark.parametrize("address", [*INSIDE, *OUTSIDE])
def test_prefixes_end_where_they_end(address):
    for ours, theirs in ((address, pair(address)), (pair(address), address)):
        frame = made.ethernet(packet(ours, theirs))
        assert accepts(made.ETHERNET, frame) == is_to_or_from_a_sink(made.ETHERNET, frame) == (address in INSIDE)


@pytest.mark.parametrize("tags", [(0x8100,), (0x88A8, 0x8100), (0x8100, 0x8100), (0x8100, 0x8100, 0x8100)])
@pytest.mark.parametrize("link_type", [made.ETHERNET, made.SLL, made.SLL2])
def test_up_to_two_tags_are_passed_over(link_type, tags):
    for address in SINKS:
        frame = made.framed(link_type, packet(pair(address), address), *tags)
        assert accepts(link_type, frame) == is_to_or_from_a_sink(link_type, frame) == (len(tags) <= 2)


@pytest.mark.parametrize("link_type", [*LinkType, COOKED])
def test_the_kernel_and_libpcap_find_the_programs_valid(link_type):
    program = make_filter(link_type)
    validate = libpcap()._library.bpf_validate
    validate.restype, validate.argtypes = ctypes.c_int, (ctypes.c_char_p, ctypes.c_int)
    # What only the kernel has (SKF_AD_PROTOCOL) is a load far outside for libpcap, and so valid, too.
    assert validate(program, len(program) // 8) == 1
    assert len(program) // 8 < 255  # jumps take eight bits


@given(st.sampled_from(list(LinkType)), st.sampled_from(SINKS + OTHERS), st.booleans(), st.data())
def test_programs_and_python_agree_on_damaged_frames(link_type, address, is_source, data):
    other = pair(address)
    inner = packet(address, other) if is_source else packet(other, address)
    tags = data.draw(st.lists(st.sampled_from([0x8100, 0x88A8, 0x9100]), max_size=3))
    frame = bytearray(made.framed(made.NULL if link_type == LinkType.LOOP else link_type, inner, *tags))
    for position in data.draw(st.lists(st.integers(0, len(frame) - 1), max_size=3)):
        frame[position] = data.draw(st.integers(0, 255))
    octets = bytes(frame[: data.draw(st.integers(0, len(frame)))])
    assert accepts(link_type, octets) == is_to_or_from_a_sink(link_type, octets)
