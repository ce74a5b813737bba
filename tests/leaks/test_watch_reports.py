"""Messages of `watch`: what is rendered parses back equal, and anything else is an error or what it says."""

import contextlib
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.evidence import Certainty, EvidenceError, Sighting, Via, judge
from blackhole_guard.leaks.frame_streams import MAX_FRAME
from blackhole_guard.leaks.leak_tops import WholeTops
from blackhole_guard.leaks.observed import Observed, Responses
from blackhole_guard.leaks.traffic import Wait
from blackhole_guard.leaks.watch_reports import (
    MOST_LEAKS,
    MOST_WAITS,
    Became,
    Lost,
    WatchReports,
    parse_report,
    render_report,
)
from blackhole_guard.reserved.registry import BLOCKS, Sink
from blackhole_guard.reserved.sinks import PREFIXES
from blackhole_guard.wire.names import pack_name

SINKS = [network[42].packed for network in PREFIXES]
NAME = pack_name("3.0.0.10.in-addr.arpa")
SENDER = bytes((10, 0, 0, 53))
LABELS = st.lists(st.binary(min_size=1, max_size=63).map(bytes.lower), max_size=2)
ZONES = st.sampled_from([NAME, pack_name("168.192.in-addr.arpa"), pack_name("home.arpa"), pack_name("d.f.ip6.arpa")])


def prefix(labels):
    return b"".join(bytes((len(label),)) + label for label in labels)


def see(name=NAME, at=1.5, qtype=12, is_update=False, sender=SENDER, server=SINKS[0]):
    leak = judge(Sighting(at, Via.PACKETS, name, qtype, 1, is_update, sender=sender, server=server), Certainty.OBSERVED)
    assert leak is not None
    return leak


LEAKS = st.builds(
    see,
    name=st.builds(lambda labels, zone: prefix(labels) + zone, LABELS, ZONES),
    at=st.floats(0, 2**40),
    qtype=st.integers(0, 65535),
    is_update=st.booleans(),
    sender=st.ip_addresses().map(lambda address: address.packed),
    server=st.sampled_from(SINKS),
)
WAITS = st.builds(Wait, LEAKS, st.none() | st.floats(0, 60), st.none())


@given(st.lists(LEAKS, max_size=5), st.lists(WAITS, max_size=5), st.builds(Lost, st.integers(0, 9), st.integers(0, 9)))
def test_what_is_rendered_parses_back_equal(leaks, waits, lost):
    report = parse_report(render_report(leaks, waits, lost))
    assert report.leaks == leaks
    assert report.waits == [Became(wait.leak.sink, wait.leak.block, wait.seconds) for wait in waits]
    assert report.lost == lost


@given(st.binary(max_size=400))
def test_any_octets_are_a_message_or_an_error(octets):
    with contextlib.suppress(EvidenceError):
        parse_report(octets)


@given(st.data())
def test_so_is_a_message_with_other_octets_in_it(data):
    octets = bytearray(render_report([see(), see()], [Wait(see(), 0.5, 0)], Lost(1, 2)))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        report = parse_report(bytes(octets))
    except EvidenceError:
        return
    for leak in report.leaks:
        assert (leak.via, leak.certainty) == (Via.PACKETS, Certainty.OBSERVED)
        assert leak.block in BLOCKS
        assert math.isfinite(leak.at)
    assert all(wait.block in BLOCKS for wait in report.waits)


ROW = (1.5, NAME, 12, False, SENDER, SINKS[0])


@pytest.mark.parametrize(
    "message",
    [
        (),
        ([], [], 0),
        ([], [], 0, 0, 0),
        ([], [], -1, 0),
        ([], [], 0, 2**60),
        ([ROW] * (MOST_LEAKS + 1), [], 0, 0),
        ([], [("as112", "10.0.0.0/8", 0.1)] * (MOST_WAITS + 1), 0, 0),
        ([(math.nan, *ROW[1:])], [], 0, 0),
        ([(math.inf, *ROW[1:])], [], 0, 0),
        ([(-1.0, *ROW[1:])], [], 0, 0),
        ([(1.5, NAME[:-1], *ROW[2:])], [], 0, 0),
        ([(1.5, NAME + b"\0", *ROW[2:])], [], 0, 0),
        ([(1.5, b"\xc0\x0c", *ROW[2:])], [], 0, 0),
        ([(1.5, b"", *ROW[2:])], [], 0, 0),
        ([(1.5, NAME, 65536, *ROW[3:])], [], 0, 0),
        ([(*ROW[:4], bytes(5), ROW[5])], [], 0, 0),
        ([(*ROW[:5], bytes((8, 8, 8, 8)))], [], 0, 0),
        ([], [("nowhere", "10.0.0.0/8", 0.1)], 0, 0),
        ([], [("as112", "8.0.0.0/8", 0.1)], 0, 0),
        ([], [("as112", "10.0.0.0/8", math.nan)], 0, 0),
        ([], [("as112", "10.0.0.0/8", -0.1)], 0, 0),
        ([], [("as112", "10.0.0.0/8", 61.0)], 0, 0),
    ],
)
def test_what_cannot_be_is_an_error(message):
    with pytest.raises(EvidenceError):
        parse_report(msgspec.msgpack.encode(message))


def test_names_are_judged_here_whatever_the_sender_thinks():
    outside, upper = pack_name("4.4.8.8.in-addr.arpa"), NAME.upper().replace(b"IN-ADDR", b"In-aDDr")
    rows = [(1.5, outside, *ROW[2:]), (1.5, upper, *ROW[2:])]
    report = parse_report(msgspec.msgpack.encode((rows, [], 0, 0)))
    assert report.leaks == [see()]


def test_the_largest_message_fits_into_a_frame():
    longest = prefix([b"x" * 63, b"x" * 63, b"x" * 63, b"x" * 43]) + pack_name("10.in-addr.arpa")
    assert len(longest) >= 250
    address = bytes(range(16))
    leak = see(longest, 2.0**40, 65535, True, address, SINKS[1])
    leak = leak._replace(block=max(BLOCKS, key=len))
    message = render_report([leak] * MOST_LEAKS, [Wait(leak, 59.9, None)] * MOST_WAITS, Lost(2**53, 2**53))
    assert len(message) <= MAX_FRAME


class TestReports:
    @pytest.fixture
    def observed(self):
        return Observed(WholeTops)

    @pytest.fixture
    def reports(self, observed):
        return WatchReports(observed)

    def test_leaks_and_what_became_of_them_are_kept(self, reports, observed):
        reports.take(render_report([see(), see()], [Wait(see(), 0.25, 3), Wait(see(), None, None)], Lost(3, 4)), 0.0)
        reports.take(render_report([], [], Lost(1, 1)), 0.0)
        assert (observed.total, list(observed.recent)) == (2, [see(), see()])
        assert observed.responses == {(Sink.AS112, Via.PACKETS): Responses(1, 0.25, 1)}
        assert (reports.messages, reports.malformed, reports.lost) == (2, 0, Lost(4, 5))

    def test_the_first_message_brings_the_usual_series(self, reports, observed):
        assert not observed.leaks
        reports.take(render_report([], [], Lost()), 0.0)
        assert set(observed.leaks.values()) == {0}
        assert {series.via for series in observed.leaks} == {Via.PACKETS}

    def test_what_is_no_message_is_counted(self, reports, observed):
        reports.take(b"no message", 0.0)
        assert (reports.messages, reports.malformed, observed.total) == (0, 1, 0)
