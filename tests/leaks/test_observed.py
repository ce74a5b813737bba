"""What is kept of leaks, and that it has bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.evidence import Certainty, Leak, Via
from blackhole_guard.leaks.observed import MAX_SERIES, OTHERS, RECENT, Observed, Responses, Series
from blackhole_guard.reserved.registry import BLOCKS, Sink
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import pack_name

CLIENT, ADDRESS = b"\x0a\0\0\x05", b"\x0a\0\0\x03"
LEAK = Leak(
    *(1.0, Via.DNSTAP, Certainty.OBSERVED, "10.0.0.0/8", Sink.AS112, Shape.HOST),
    *(pack_name("3.0.0.10.in-addr.arpa"), RRType.PTR, ADDRESS, CLIENT, None, None),
)
SERIES = Series("10.0.0.0/8", Sink.AS112, Shape.HOST, Via.DNSTAP, Certainty.OBSERVED)


class Tally:
    def __init__(self):
        self.added = []

    def add(self, key, at):
        self.added.append((key, at))


def test_leaks_are_counted_by_what_the_metric_shows():
    observed = Observed()
    for leak in (LEAK, LEAK, LEAK._replace(via=Via.PACKETS), LEAK._replace(certainty=Certainty.LIKELY)):
        observed.add(leak)
    assert observed.leaks == {
        SERIES: 2,
        SERIES._replace(via=Via.PACKETS): 1,
        SERIES._replace(certainty=Certainty.LIKELY): 1,
    }


def test_a_part_of_an_address_is_counted_apart_and_kept_nowhere():
    tally = Tally()
    observed = Observed(clients=tally, addresses=tally, pairs=tally)
    observed.add(LEAK._replace(shape=Shape.PARTIAL))
    assert (observed.leaks, observed.partial) == ({}, {(Sink.AS112, Via.DNSTAP): 1})
    assert not observed.recent and not tally.added


def test_usual_series_are_there_from_the_start():
    observed = Observed([Via.DNSTAP])
    assert set(observed.leaks.values()) == {0}
    assert SERIES in observed.leaks
    observed.add(LEAK)
    assert observed.leaks[SERIES] == 1


def test_the_latest_are_kept_whole():
    observed = Observed()
    for number in range(RECENT + 3):
        observed.add(LEAK._replace(at=float(number)))
    assert [leak.at for leak in observed.recent] == [float(number) for number in range(3, RECENT + 3)]


@pytest.mark.parametrize(
    ("client", "address", "added"),
    [
        (CLIENT, ADDRESS, ([(CLIENT, 1.0)], [(ADDRESS, 1.0)], [(CLIENT + ADDRESS, 1.0)])),
        (None, ADDRESS, ([], [(ADDRESS, 1.0)], [])),
        (CLIENT, None, ([(CLIENT, 1.0)], [], [])),
    ],
)
def test_the_tops_take_what_is_known(client, address, added):
    tallies = clients, addresses, pairs = Tally(), Tally(), Tally()
    observed = Observed(clients=clients, addresses=addresses, pairs=pairs)
    observed.add(LEAK._replace(client=client, address=address))
    assert tuple(tally.added for tally in tallies) == added


def test_responses_are_counted_with_their_seconds():
    observed = Observed()
    for seconds in (0.25, 0.5):
        observed.add_response(Sink.AS112, Via.DNSTAP, seconds)
    assert observed.responses == {(Sink.AS112, Via.DNSTAP): Responses(2, 0.75)}


def test_whoever_sends_leaks_of_all_kinds_does_not_swell_the_metrics():
    observed = Observed([Via.DNSTAP])
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


@given(st.lists(st.tuples(st.sampled_from(list(Shape)), st.sampled_from(list(BLOCKS)), st.sampled_from(list(Via)))))
def test_nothing_is_lost(kinds):
    observed = Observed()
    for shape, block, via in kinds:
        observed.add(LEAK._replace(shape=shape, block=block, via=via))
    assert sum(observed.leaks.values()) + sum(observed.partial.values()) == len(kinds)
