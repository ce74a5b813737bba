"""What was observed of leaks, as documents. The one place that reads `leaks.observed.Observed` for the API."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from math import isfinite

from blackhole_guard.api.counted import add_up
from blackhole_guard.api.documents import (
    ObservedLeaks,
    ObservedSeries,
    ObservedTimes,
    PartialSeries,
    RecentLeak,
    ResponseSeries,
)
from blackhole_guard.leaks.clients import format_client
from blackhole_guard.leaks.evidence import Leak, Via
from blackhole_guard.leaks.leak_tops import SlidingTops
from blackhole_guard.leaks.observed import Observed, Responses
from blackhole_guard.leaks.tallies import Tally
from blackhole_guard.reserved.registry import Sink
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import format_name

PerKey = dict[str, dict[str, dict[str, int]]]  # counts by a key, kind of evidence and certainty
# What sees both directions: it knows of a query that nobody answered. A resolver's dnstap tells of responses alone.
_SEES_SILENCE = (Via.PACKETS, Via.CAPTURE)


def show_observed(observed: Observed[SlidingTops], since: float) -> ObservedLeaks:
    """Make the document of all counts."""
    series = tuple(ObservedSeries(*key, count) for key, count in observed.leaks.items() if count)
    return ObservedLeaks(
        since=since,
        totals=add_up((each.via.value, each.count) for each in series),
        series=series,
        partial=tuple(PartialSeries(*key, count) for key, count in observed.partial.items()),
        responses=tuple(_show_responses(*key, each) for key, each in observed.responses.items()),
        times=tuple(
            ObservedTimes(each.block, each.sink, each.via, round(each.first, 6), round(each.last, 6))
            for each in observed.tallies()
            if isfinite(each.first)
        ),
    )


def count_blocks(observed: Observed[SlidingTops]) -> PerKey:
    """Count leaks by block, kind of evidence and certainty."""
    # Of the tallies, not of the series: of those there may be more than have a name, which then have no block either.
    return _count((tally.block, tally) for tally in observed.tallies())


def count_sinks(observed: Observed[SlidingTops]) -> PerKey:
    """Count leaks by sink, kind of evidence and certainty."""
    return _count((tally.sink.value, tally) for tally in observed.tallies())


def iter_recent(observed: Observed[SlidingTops]) -> Iterator[Leak]:
    """Walk the leaks that are kept whole, the latest first."""
    return reversed(observed.recent)


def show_leak(leak: Leak) -> RecentLeak:
    """Make the document of one leak."""
    return RecentLeak(
        at=round(leak.at, 6),
        via=leak.via,
        certainty=leak.certainty,
        block=leak.block,
        sink=leak.sink,
        shape=leak.shape,
        name=format_name(leak.name),
        type=RRType(leak.qtype).name if leak.qtype in _TYPES else f"TYPE{leak.qtype}",
        address=_show_address(leak.address),
        client=_show_client(leak.client),
        sender=_show_client(leak.sender),
        server=_show_address(leak.server),
    )


_TYPES = frozenset(RRType)


def _count(tallies: Iterable[tuple[str, Tally]]) -> PerKey:
    found: PerKey = {}
    for key, tally in tallies:
        for (shape, certainty), count in tally.kinds.items():
            if shape is not Shape.PARTIAL:
                certainties = found.setdefault(key, {}).setdefault(tally.via.value, {})
                certainties[certainty.value] = certainties.get(certainty.value, 0) + count
    return found


def _show_responses(sink: Sink, via: Via, each: Responses) -> ResponseSeries:
    unanswered = each.unanswered if via in _SEES_SILENCE else None
    return ResponseSeries(sink, via, each.number, round(each.seconds, 6), unanswered)


def _show_address(octets: bytes | None) -> str | None:
    return None if octets is None else str(ip_address(octets))


def _show_client(key: bytes | None) -> str | None:
    return None if key is None else format_client(key)
