"""What the observer itself has counted, as samples for the metrics: leaks that were observed, and who told of them."""

from typing import TYPE_CHECKING

from blackhole_guard.leaks.evidence import Via
from blackhole_guard.leaks.leak_tops import SlidingTops
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.leaks.watch_reports import WatchReports
from blackhole_guard.telemetry.frame_receiver import FrameReceiver
from blackhole_guard.telemetry.metrics import Samples

if TYPE_CHECKING:  # it brings protobuf with it, which not every observer needs
    from blackhole_guard.leaks.dnstap_join import Tracer

# Kinds of frames that are shown from the start: what a resolver should send. The others, once they come.
_EXPECTED = ("client_query", "resolver_query", "resolver_response", "forwarder_query", "forwarder_response")


def read_leaks(observed: Observed[SlidingTops]) -> dict[str, Samples]:
    """Give the samples of leaks, by metric."""
    responses = observed.responses.items()
    return {
        "leaks_observed_total": [(tuple(map(str, series)), count) for series, count in observed.leaks.items()],
        "leaks_observed_partial_total": [((str(sink), str(via)), n) for (sink, via), n in observed.partial.items()],
        "leak_responses_total": [((str(sink), str(via)), each.number) for (sink, via), each in responses],
        "leak_response_seconds_total": [((str(sink), str(via)), each.seconds) for (sink, via), each in responses],
        "leaks_unanswered_total": [
            ((str(sink), str(via)), each.unanswered) for (sink, via), each in responses if via is Via.PACKETS
        ],
    }


def read_dnstap(tracer: "Tracer", receiver: FrameReceiver) -> dict[str, Samples]:
    """Give the samples of dnstap, by metric."""
    frames = {**tracer.frames, "malformed": tracer.malformed}
    return {
        "dnstap_frames_total": [((kind,), count) for kind, count in frames.items() if count or kind in _EXPECTED],
        "dnstap_producers": [((), receiver.producers)],
        "dnstap_refused_total": [((reason,), count) for reason, count in receiver.refused.items()],
    }


def read_watch(reports: WatchReports, receiver: FrameReceiver) -> dict[str, Samples]:
    """Give the samples of what watches report, by metric."""
    return {
        "watches": [((), receiver.producers)],
        "watch_refused_total": [((reason,), count) for reason, count in receiver.refused.items()],
        "watch_reports_total": [(("taken",), reports.messages), (("malformed",), reports.malformed)],
        "watch_lost_total": [(("frames",), reports.lost.frames), (("reports",), reports.lost.reports)],
    }
