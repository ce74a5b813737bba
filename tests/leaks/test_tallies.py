"""What is kept of leaks: counts that add up, delays within their error, tops within theirs."""

import math
from collections import Counter
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.evidence import Certainty, Leak, Sighting, Via, judge
from blackhole_guard.leaks.tallies import UNANSWERED, CountedTops, Delays, Tallies
from blackhole_guard.leaks.traffic import Wait
from blackhole_guard.reserved.registry import Sink
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.wire.codes import RRClass, RRType
from blackhole_guard.wire.names import pack_name

CLIENT = ip_address("192.0.2.1").packed


def leak(name: str, at: float = 1.0, *, is_update: bool = False, sink: str = "192.175.48.6") -> Leak:
    sighting = Sighting(
        at=at,
        via=Via.CAPTURE,
        name=pack_name(name),
        qtype=RRType.PTR,
        qclass=RRClass.IN,
        is_update=is_update,
        sender=CLIENT,
        server=ip_address(sink).packed,
    )
    judged = judge(sighting, Certainty.OBSERVED)
    assert judged is not None
    return judged


def test_leaks_are_counted_by_sink_and_block():
    tallies = Tallies()
    for each in (
        leak("3.0.0.10.in-addr.arpa", 5.0),
        leak("4.0.0.10.in-addr.arpa", 3.0),
        leak("0.10.in-addr.arpa", 9.0),
        leak("10.in-addr.arpa", 4.0, is_update=True),
        leak("1.1.168.192.in-addr.arpa"),
        leak("3.0.0.10.in-addr.arpa", sink="192.31.196.1"),
    ):
        tallies.add(each)
    rows = tallies.rows()
    assert [(row.sink, row.block, row.leaks) for row in rows] == [
        (Sink.AS112, "10.0.0.0/8", 3),
        (Sink.AS112, "192.168.0.0/16", 1),
        (Sink.AS112_DNAME, "10.0.0.0/8", 1),
    ]
    ten = rows[0]
    assert ten.shapes == {Shape.HOST: 2, Shape.PARTIAL: 1, Shape.UPDATE: 1}
    assert (ten.first, ten.last) == (3.0, 9.0)
    assert ten.clients.top(5) == [(CLIENT, 3, 0)]  # a name that was minimised is nobody's
    assert [key[3] for key, _, _ in ten.addresses.top(5)] == [3, 4]
    assert tallies.leaks == 5


def test_waits_add_up():
    tallies = Tallies()
    leaked = leak("3.0.0.10.in-addr.arpa")
    tallies.add(leaked)
    for seconds in (0.1, 0.2, None, None):
        tallies.add_wait(Wait(leaked, seconds, None if seconds is None else 3))
    (row,) = tallies.rows()
    assert (row.answered, row.unanswered) == (2, 2)
    assert row.waited == pytest.approx(0.3 + 2 * UNANSWERED)


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


@given(st.lists(st.integers(0, 40), max_size=400), st.integers(2, 30))
def test_a_count_is_too_high_by_its_error_at_most_and_never_too_low(keys, capacity):
    tops, true = CountedTops(capacity), Counter(keys)
    for key in keys:
        tops.add(bytes((key,)))
        assert len(tops._counts) <= capacity
    for key, count, error in tops.top(100):
        assert count - error <= true[key[0]] <= count
