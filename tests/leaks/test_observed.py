"""The keeper of observed leaks: what it counts, and that it has bounds."""

import math
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.evidence import Certainty, Leak, Sighting, Via, judge
from blackhole_guard.leaks.leak_tops import WholeTops
from blackhole_guard.leaks.observed import MAX_SERIES, OTHERS, RECENT, Observed, Responses, Series
from blackhole_guard.leaks.tallies import UNANSWERED
from blackhole_guard.leaks.traffic import Wait
from blackhole_guard.reserved.registry import BLOCKS, Sink
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.wire.codes import RRClass, RRType
from blackhole_guard.wire.names import pack_name

CLIENT, ADDRESS, SENDER = b"\x0a\0\0\x05", b"\x0a\0\0\x03", b"\xc0\0\2\1"
LEAK = Leak(
    *(1.0, Via.DNSTAP, Certainty.OBSERVED, "10.0.0.0/8", Sink.AS112, Shape.HOST),
    *(pack_name("3.0.0.10.in-addr.arpa"), RRType.PTR, ADDRESS, CLIENT, None, None),
)
SERIES = Series("10.0.0.0/8", Sink.AS112, Shape.HOST, Via.DNSTAP, Certainty.OBSERVED)


@pytest.fixture
def observed():
    return Observed(WholeTops)


def seen(
    name: str, at: float = 1.0, *, is_update: bool = False, sink: str = "192.175.48.6", qtype: int = RRType.PTR
) -> Leak:
    """A leak as a capture shows it."""
    sighting = Sighting(
        at=at,
        via=Via.CAPTURE,
        name=pack_name(name),
        qtype=qtype,
        qclass=RRClass.IN,
        is_update=is_update,
        sender=SENDER,
        server=ip_address(sink).packed,
    )
    judged = judge(sighting, Certainty.OBSERVED)
    assert judged is not None
    return judged


def test_leaks_are_tallied_by_evidence_sink_and_block(observed):
    for each in (
        seen("3.0.0.10.in-addr.arpa", 5.0),
        seen("4.0.0.10.in-addr.arpa", 3.0),
        seen("0.10.in-addr.arpa", 9.0),
        seen("10.in-addr.arpa", 4.0, is_update=True),
        seen("1.1.168.192.in-addr.arpa"),
        seen("3.0.0.10.in-addr.arpa", sink="192.31.196.1"),
        LEAK,
    ):
        observed.add(each)
    rows = observed.tallies()
    assert [(row.via, row.sink, row.block, row.leaks) for row in rows] == [
        (Via.CAPTURE, Sink.AS112, "10.0.0.0/8", 3),
        (Via.CAPTURE, Sink.AS112, "192.168.0.0/16", 1),
        (Via.CAPTURE, Sink.AS112_DNAME, "10.0.0.0/8", 1),
        (Via.DNSTAP, Sink.AS112, "10.0.0.0/8", 1),
    ]
    assert rows[0].shapes == {Shape.HOST: 2, Shape.PARTIAL: 1, Shape.UPDATE: 1}
    assert (rows[0].first, rows[0].last) == (3.0, 5.0)
    assert observed.total == 6


def test_a_leak_of_which_is_not_told_when_it_was_does_not_hide_when_others_were(observed):
    observed.add(LEAK._replace(at=0.0))
    assert [(tally.leaks, tally.first, tally.last) for tally in observed.tallies()] == [(1, math.inf, -math.inf)]
    observed.add(LEAK._replace(at=5.0))
    observed.add(LEAK._replace(at=0.0))
    assert [(tally.leaks, tally.first, tally.last) for tally in observed.tallies()] == [(3, 5.0, 5.0)]


def test_leaks_are_counted_by_what_the_metric_shows(observed):
    for leak in (LEAK, LEAK, LEAK._replace(via=Via.PACKETS), LEAK._replace(certainty=Certainty.LIKELY)):
        observed.add(leak)
    assert observed.leaks == {
        SERIES: 2,
        SERIES._replace(via=Via.PACKETS): 1,
        SERIES._replace(certainty=Certainty.LIKELY): 1,
    }


def test_a_part_of_an_address_is_counted_apart_and_kept_nowhere(observed):
    observed.add(LEAK._replace(shape=Shape.PARTIAL))
    assert (observed.leaks, observed.partial) == ({}, {(Sink.AS112, Via.DNSTAP): 1})
    assert not observed.recent
    assert observed.tops(Via.DNSTAP) is None
    assert observed.total == 0


def test_usual_series_are_there_from_when_they_are_expected(observed):
    observed.expect(Via.DNSTAP)
    assert set(observed.leaks.values()) == {0}
    assert SERIES in observed.leaks
    observed.add(LEAK)
    observed.expect(Via.DNSTAP)
    assert observed.leaks[SERIES] == 1


def test_the_latest_are_kept_whole(observed):
    for number in range(RECENT + 3):
        observed.add(LEAK._replace(at=float(number)))
    assert [leak.at for leak in observed.recent] == [float(number) for number in range(3, RECENT + 3)]


@pytest.mark.parametrize(
    ("client", "sender", "address", "shown"),
    [
        (CLIENT, SENDER, ADDRESS, (["10.0.0.5"], ["10.0.0.3"], [("10.0.0.5", "10.0.0.3")])),
        (None, SENDER, ADDRESS, (["192.0.2.1"], ["10.0.0.3"], [("192.0.2.1", "10.0.0.3")])),
        (None, None, ADDRESS, ([None], ["10.0.0.3"], [])),
        (CLIENT, None, None, (["10.0.0.5"], [], [])),
    ],
)
def test_the_tops_take_what_is_known(observed, client, sender, address, shown):
    observed.add(LEAK._replace(client=client, sender=sender, address=address))
    tops = observed.tops(Via.DNSTAP).show(9)
    assert [top.client for top in tops.clients] == shown[0]
    assert [top.address for top in tops.addresses] == shown[1]
    assert [(top.client, top.address) for top in tops.pairs] == shown[2]


def test_the_tops_of_what_may_have_seen_the_same_leak_are_apart(observed):
    for via in (Via.DNSTAP, Via.PACKETS):
        for certainty in Certainty:
            observed.add(LEAK._replace(via=via, certainty=certainty))
    for via in (Via.DNSTAP, Via.PACKETS):
        assert [top.count for top in observed.tops(via).show(9).clients] == [2]
        assert [top.count for top in observed.tops(via, proven=False).show(9).clients] == [1]
    assert observed.tops(Via.LOG) is None


def test_responses_are_counted_with_their_seconds(observed):
    for block, seconds in (("10.0.0.0/8", 0.25), ("192.168.0.0/16", 0.5), ("10.0.0.0/8", None)):
        observed.settle(Via.DNSTAP, Sink.AS112, block, seconds)
    observed.add_wait(Wait(seen("3.0.0.10.in-addr.arpa"), 2.0, 3))
    assert observed.responses == {
        (Sink.AS112, Via.CAPTURE): Responses(1, 2.0),
        (Sink.AS112, Via.DNSTAP): Responses(2, 0.75, 1),
    }


def test_what_becomes_of_parts_of_addresses_does_not_hide_what_becomes_of_leaks(observed):
    for number in range(100):
        part = seen("0.10.in-addr.arpa", float(number))
        observed.add(part)
        observed.add_wait(Wait(part, 0.02, 3))
    leak = seen("3.0.0.10.in-addr.arpa", 50.0)
    observed.add(leak)
    observed.add_wait(Wait(leak, None, None))
    (row,) = observed.tallies()
    assert (row.leaks, row.partial, row.answered, row.unanswered) == (1, 100, 0, 1)
    assert (row.first, row.last) == (50.0, 50.0)
    assert row.waited == UNANSWERED
    assert row.delays.quantile(0.5) is None
    assert observed.responses == {(Sink.AS112, Via.CAPTURE): Responses(0, 0.0, 1)}


def test_the_ns_of_an_address_is_among_no_addresses(observed):
    part = seen("3.0.0.10.in-addr.arpa", qtype=RRType.NS)
    assert (part.shape, part.address) == (Shape.PARTIAL, ADDRESS)
    observed.add(part)
    assert observed.tops(Via.CAPTURE) is None


def test_times_of_the_past_are_kept_beside_those_of_now(observed):
    observed.note_times(Via.DNSTAP, Sink.AS112, "10.0.0.0/8", first=0.5, last=0.7)
    observed.note_times(Via.DNSTAP, Sink.AS112, "192.168.0.0/16", first=0.1, last=0.2)
    observed.add(LEAK)
    ten, other = observed.tallies()
    assert (ten.leaks, ten.first, ten.last) == (1, 0.5, 1.0)
    assert (other.leaks, other.first, other.last) == (0, 0.1, 0.2)
    assert observed.leaks == {SERIES: 1}


def test_whoever_sends_leaks_of_all_kinds_does_not_swell_the_metrics(observed):
    observed.expect(Via.DNSTAP)
    total = 0
    for via in (Via.DNSTAP, Via.PACKETS):
        for block, sink in BLOCKS.items():
            for shape in Shape:
                for certainty in Certainty:
                    total += shape is not Shape.PARTIAL
                    observed.add(LEAK._replace(via=via, block=block, sink=sink, shape=shape, certainty=certainty))
    kinds_of_others = len(Sink) * 2 * len(Certainty)
    assert MAX_SERIES < len(observed.leaks) <= MAX_SERIES + kinds_of_others
    assert sum(observed.leaks.values()) == total
    assert {series.shape for series in observed.leaks if series.block == OTHERS} == {OTHERS}
    before = set(observed.leaks)
    observed.add(LEAK)
    observed.expect(Via.PACKETS)
    assert set(observed.leaks) == before


@given(st.lists(st.tuples(st.sampled_from(list(Shape)), st.sampled_from(list(BLOCKS)), st.sampled_from(list(Via)))))
def test_nothing_is_lost(kinds):
    observed = Observed(WholeTops)
    for shape, block, via in kinds:
        observed.add(LEAK._replace(shape=shape, block=block, via=via))
    assert sum(observed.leaks.values()) + sum(observed.partial.values()) == len(kinds)
    assert observed.total == sum(observed.leaks.values())
