"""Observed leaks at rest: what is kept comes back, and what is damaged is an error or still leaks."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_watch_reports import see

from blackhole_guard.leaks.evidence import Certainty, Via
from blackhole_guard.leaks.leak_tops import SlidingTops
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.leaks.observed_state import dump_observed, load_observed, read_tops
from blackhole_guard.leaks.tops import TopsError
from blackhole_guard.leaks.windows import WINDOWS, Window

NOW = 1_700_000_000.0
LEAK = see(at=NOW - 5)


def begin():
    return Observed(lambda: SlidingTops(lambda: NOW))


@pytest.fixture
def observed():
    made = begin()
    for leak in (LEAK, LEAK, LEAK._replace(via=Via.DNSTAP, at=NOW - 2)):
        made.add(leak)
    return made


def test_what_is_kept_comes_back(observed):
    after = begin()
    load_observed(dump_observed(observed), after, NOW + 1)
    for via in (Via.PACKETS, Via.DNSTAP):
        for window in WINDOWS:
            assert after.tops(via).report(window, NOW + 1) == observed.tops(via).report(window, NOW + 1)
    assert [(each.via, each.first, each.last, each.leaks) for each in after.tallies()] == [
        (Via.PACKETS, NOW - 5, NOW - 5, 0),
        (Via.DNSTAP, NOW - 2, NOW - 2, 0),
    ]
    tops = read_tops(dump_observed(observed), NOW)
    totals = {via: each.report(Window.HOUR, NOW).total for via, each in tops.items()}
    assert totals == {Via.PACKETS: 2, Via.DNSTAP: 1}


def test_what_was_settled_alone_has_no_times():
    observed = begin()
    observed.settle(Via.PACKETS, LEAK.sink, LEAK.block, 0.5)
    after = begin()
    load_observed(dump_observed(observed), after, NOW)
    assert after.tallies() == []


def test_what_may_have_leaked_is_not_kept():
    observed = begin()
    observed.add(LEAK._replace(certainty=Certainty.POSSIBLE))
    assert read_tops(dump_observed(observed), NOW) == {}


@pytest.mark.parametrize(
    "times",
    [
        ("packets", "as112", "8.0.0.0/8", NOW - 9, NOW - 9),
        ("packets", "as112", "10.0.0.0/8", NOW - 9, NOW + 9),
        ("packets", "as112", "10.0.0.0/8", NOW - 9, NOW - 100 * 86400),
        ("packets", "as112", "10.0.0.0/8", NOW - 8, NOW - 9),
        ("packets", "as112", "10.0.0.0/8", -1.0, NOW - 9),
        ("packets", "as112", "10.0.0.0/8", math.nan, NOW - 9),
        ("packets", "as112", "10.0.0.0/8", NOW - 9, math.nan),
    ],
)
def test_times_that_cannot_be_or_are_long_ago_are_left_out(times):
    after = begin()
    load_observed(msgspec.msgpack.encode({"version": 1, "tops": {}, "times": [times]}), after, NOW)
    assert after._tallies == {}


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "damaged"),
        (b"\xff" * 100, "damaged"),
        (msgspec.msgpack.encode({"version": 2, "tops": {}, "times": []}), "version 2"),
        (msgspec.msgpack.encode({"version": 1, "tops": {"packets": b"x"}, "times": []}), "damaged"),
        (msgspec.msgpack.encode({"version": 1, "tops": {"gossip": b""}, "times": []}), "damaged"),
        (bytes((64 << 20) + 1), "too long"),
    ],
)
def test_what_cannot_be_gone_on_with_is_an_error(octets, why):
    with pytest.raises(TopsError, match=why):
        load_observed(octets, begin(), NOW)


@given(st.data())
def test_a_damaged_state_is_an_error_or_still_leaks(data):
    observed = begin()
    observed.add(LEAK)
    state = bytearray(dump_observed(observed))
    for _ in range(data.draw(st.integers(1, 4))):
        state[data.draw(st.integers(0, len(state) - 1))] = data.draw(st.integers(0, 255))
    after = begin()
    try:
        load_observed(bytes(state), after, NOW)
    except TopsError:
        return
    after.add(LEAK)
    assert after.total == 1
    dump_observed(after)
