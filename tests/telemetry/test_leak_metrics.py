"""The observer's own counts as samples: they are in the catalogue, and their number has a bound."""

import sys

import pytest
from dnstap_frames import NoOutlook, frame
from test_observed import LEAK

from blackhole_guard.leaks.askers import Askers
from blackhole_guard.leaks.dnstap_join import Tracer
from blackhole_guard.leaks.evidence import Certainty, Via
from blackhole_guard.leaks.leak_tops import SlidingTops
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.leaks.watch_reports import CONTENT_TYPE, Lost, WatchReports, render_report
from blackhole_guard.reserved.registry import BLOCKS, Sink
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.server.stream_sockets import open_stream_socket
from blackhole_guard.telemetry.catalogue import CATALOGUE
from blackhole_guard.telemetry.frame_receiver import DNSTAP_CHANNEL, REFUSALS, Channel, FrameReceiver
from blackhole_guard.telemetry.leak_metrics import read_dnstap, read_leaks, read_watch
from blackhole_guard.telemetry.logs import open_log

METRICS = {metric.name: metric for metric in CATALOGUE}


WATCH_CHANNEL = Channel("watch", CONTENT_TYPE, "users", "producers")


@pytest.fixture
def observed():
    return Observed(lambda: SlidingTops(lambda: 1.0), [Via.DNSTAP])


@pytest.fixture
def listener(tmp_path):
    with open_stream_socket(str(tmp_path / "d.sock"), "socket", user=None, group=None) as made:
        yield made


@pytest.fixture
def dnstap(observed, listener):
    tracer = Tracer(observed.add, observed.settle, Askers(), NoOutlook())
    log = open_log("text", "info", sys.stderr)
    return tracer, FrameReceiver(DNSTAP_CHANNEL, listener, frozenset(), 4, tracer, log)


@pytest.fixture
def watch(observed, listener):
    reports = WatchReports(observed)
    log = open_log("text", "info", sys.stderr)
    return reports, FrameReceiver(WATCH_CHANNEL, listener, frozenset(), 4, reports, log)


def test_each_sample_has_the_labels_of_its_metric(observed, dnstap, watch):
    observed.add(LEAK)
    observed.add(LEAK._replace(shape=Shape.PARTIAL))
    for seconds in (0.5, None):
        observed.settle(Via.PACKETS, Sink.AS112, "10.0.0.0/8", seconds)
    dnstap[0].take(frame("CLIENT_QUERY"), 0.0)
    watch[0].take(render_report([], [], Lost(2, 3)), 0.0)
    watch[0].take(b"no report", 0.0)
    read = {**read_leaks(observed), **read_dnstap(*dnstap), **read_watch(*watch)}
    for name, samples in read.items():
        assert samples
        assert {len(values) for values, _ in samples} == {len(METRICS[name].labels)}
    assert (("10.0.0.0/8", "as112", "host", "dnstap", "observed"), 1) in read["leaks_observed_total"]
    assert (("10.0.0.0/8", "as112", "host", "packets", "observed"), 0) in read["leaks_observed_total"]
    assert read["leaks_observed_partial_total"] == [(("as112", "dnstap"), 1)]
    assert read["leak_responses_total"] == [(("as112", "packets"), 1)]
    assert read["leak_response_seconds_total"] == [(("as112", "packets"), 0.5)]
    assert read["leaks_unanswered_total"] == [(("as112", "packets"), 1)]
    assert (("client_query",), 1) in read["dnstap_frames_total"]
    assert [values for values, _ in read["dnstap_refused_total"]] == [(reason,) for reason in REFUSALS]
    assert read["watch_lost_total"] == [(("frames",), 2), (("reports",), 3)]
    assert read["watch_reports_total"] == [(("taken",), 1), (("malformed",), 1)]


def test_who_is_not_told_of_by_packets_is_not_said_to_have_got_no_response(observed):
    observed.settle(Via.DNSTAP, Sink.AS112, "10.0.0.0/8", 0.5)
    assert read_leaks(observed)["leaks_unanswered_total"] == []


def fill(observed):
    """Leaks of all kinds that there are, by the two kinds of evidence that a server has."""
    for via in (Via.DNSTAP, Via.PACKETS):
        for block in BLOCKS:
            for sink in Sink:
                for shape in Shape:
                    for certainty in Certainty:
                        observed.add(LEAK._replace(via=via, block=block, sink=sink, shape=shape, certainty=certainty))
                observed.settle(via, sink, block, 0.1)


def test_whatever_leaks_there_are_less_than_250_series(observed, dnstap, watch):
    fill(observed)
    read = {**read_leaks(observed), **read_dnstap(*dnstap), **read_watch(*watch)}
    assert sum(map(len, read.values())) + len(dnstap[0].frames) < 250
