"""What the observer itself has counted, as samples for the metrics: leaks that were observed, and dnstap."""

from blackhole_guard.leaks.dnstap_join import Tracer
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.telemetry.dnstap_receiver import DnstapReceiver
from blackhole_guard.telemetry.metrics import Samples

# Kinds of frames that are shown from the start: what a resolver should send. The others, once they come.
_EXPECTED = ("client_query", "resolver_query", "resolver_response", "forwarder_query", "forwarder_response")


def read_leaks(observed: Observed) -> dict[str, Samples]:
    """Give the samples of leaks, by metric."""
    responses = observed.responses.items()
    return {
        "leaks_observed_total": [(tuple(map(str, series)), count) for series, count in observed.leaks.items()],
        "leaks_observed_partial_total": [((str(sink), str(via)), n) for (sink, via), n in observed.partial.items()],
        "leak_responses_total": [((str(sink), str(via)), each.number) for (sink, via), each in responses],
        "leak_response_seconds_total": [((str(sink), str(via)), each.seconds) for (sink, via), each in responses],
    }


def read_dnstap(tracer: Tracer, receiver: DnstapReceiver) -> dict[str, Samples]:
    """Give the samples of dnstap, by metric."""
    frames = {**tracer.frames, "malformed": tracer.malformed}
    return {
        "dnstap_frames_total": [((kind,), count) for kind, count in frames.items() if count or kind in _EXPECTED],
        "dnstap_producers": [((), receiver.producers)],
        "dnstap_refused_total": [((reason,), count) for reason, count in receiver.refused.items()],
    }
