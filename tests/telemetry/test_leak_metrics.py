"""The observer's own counts as samples: they are in the catalogue, and their number has a bound."""

import sys

import pytest
from dnstap_frames import frame
from test_observed import LEAK

from blackhole_guard.leaks.askers import Askers
from blackhole_guard.leaks.dnstap_join import NoOutlook, Tracer
from blackhole_guard.leaks.evidence import Certainty, Via
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.reserved.registry import BLOCKS, Sink
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.server.stream_sockets import open_stream_socket
from blackhole_guard.telemetry.catalogue import CATALOGUE
from blackhole_guard.telemetry.dnstap_receiver import REFUSALS, DnstapReceiver
from blackhole_guard.telemetry.leak_metrics import read_dnstap, read_leaks
from blackhole_guard.telemetry.logs import open_log

METRICS = {metric.name: metric for metric in CATALOGUE}


@pytest.fixture
def dnstap(tmp_path):
    observed = Observed([Via.DNSTAP])
    tracer = Tracer(observed.add, observed.add_response, Askers(), NoOutlook())
    with open_stream_socket(str(tmp_path / "d.sock"), "socket", user=None, group=None) as listener:
        yield observed, tracer, DnstapReceiver(listener, frozenset(), 4, tracer, open_log("text", "info", sys.stderr))


def test_each_sample_has_the_labels_of_its_metric(dnstap):
    observed, tracer, receiver = dnstap
    observed.add(LEAK)
    observed.add(LEAK._replace(shape=Shape.PARTIAL))
    observed.add_response(Sink.AS112, Via.DNSTAP, 0.5)
    tracer.take(frame("CLIENT_QUERY"), 0.0)
    read = {**read_leaks(observed), **read_dnstap(tracer, receiver)}
    for name, samples in read.items():
        assert samples
        assert {len(values) for values, _ in samples} == {len(METRICS[name].labels)}
    assert (("10.0.0.0/8", "as112", "host", "dnstap", "observed"), 1) in read["leaks_observed_total"]
    assert read["leaks_observed_partial_total"] == [(("as112", "dnstap"), 1)]
    assert read["leak_response_seconds_total"] == [(("as112", "dnstap"), 0.5)]
    assert (("client_query",), 1) in read["dnstap_frames_total"]
    assert [values for values, _ in read["dnstap_refused_total"]] == [(reason,) for reason in REFUSALS]


def fill(observed):
    """Leaks of all kinds that there are, by the two kinds of evidence that a server has."""
    for via in (Via.DNSTAP, Via.PACKETS):
        for block in BLOCKS:
            for sink in Sink:
                for shape in Shape:
                    for certainty in Certainty:
                        observed.add(LEAK._replace(via=via, block=block, sink=sink, shape=shape, certainty=certainty))
                observed.add_response(sink, via, 0.1)


def test_whatever_leaks_there_are_less_than_230_series(dnstap):
    observed, tracer, receiver = dnstap
    fill(observed)
    read = {**read_leaks(observed), **read_dnstap(tracer, receiver)}
    assert sum(map(len, read.values())) + len(tracer.frames) < 230
