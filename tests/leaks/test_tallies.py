"""Tallies: counts that add up, delays within their error."""

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.evidence import Certainty, Via
from blackhole_guard.leaks.tallies import UNANSWERED, Delays, Tally
from blackhole_guard.reserved.registry import Sink
from blackhole_guard.reserved.shapes import Shape


@pytest.fixture
def tally():
    return Tally(Via.CAPTURE, Sink.AS112, "10.0.0.0/8")


def test_what_was_minimised_is_no_leak(tally):
    tally.kinds[Shape.HOST, Certainty.OBSERVED] += 2
    tally.kinds[Shape.HOST, Certainty.POSSIBLE] += 3
    tally.kinds[Shape.UPDATE, Certainty.OBSERVED] += 1
    tally.kinds[Shape.PARTIAL, Certainty.OBSERVED] += 7
    assert (tally.leaks, tally.partial) == (6, 7)
    assert tally.shapes == {Shape.HOST: 5, Shape.UPDATE: 1, Shape.PARTIAL: 7}


def test_waits_add_up(tally):
    for seconds in (0.1, 0.2, None, None):
        tally.settle(seconds)
    assert (tally.answered, tally.unanswered) == (2, 2)
    assert tally.waited == pytest.approx(0.3 + 2 * UNANSWERED)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_is_off_by_a_step_at_most(times, share):
    delays = Delays()
    for each in times:
        delays.add(each)
    true = max(sorted(times)[math.ceil(share * len(times)) - 1], 1e-6)
    found = delays.quantile(share)
    assert found is not None
    assert true / 1.026 <= found <= true * 1.026


def test_no_times_have_no_quantile():
    assert Delays().quantile(0.5) is None


@given(st.lists(st.floats(min_value=0, max_value=sys.float_info.max), max_size=600))
def test_whatever_times_come_there_are_no_more_than_450_steps(times):
    delays = Delays()
    for each in times:
        delays.add(each)
    assert all(-285 <= step <= 168 for step in delays.counts)
