"""What was observed of leaks, as documents. The one place that reads `leaks.observed.Observed` for the API."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from blackhole_guard.api.counted import add_up
from blackhole_guard.api.documents import (
    ObservedLeaks,
    ObservedSeries,
    PartialSeries,
    RecentLeak,
    ResponseSeries,
)
from blackhole_guard.leaks.evidence import Leak
from blackhole_guard.leaks.leak_tops import SlidingTops
from blackhole_guard.leaks.observed import Observed, Series
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import format_name

PerKey = dict[str, dict[str, dict[str, int]]]  # counts by a key, kind of evidence and certainty


def show_observed(observed: Observed[SlidingTops], since: float) -> ObservedLeaks:
    """Make the document of all counts."""
    series = tuple(ObservedSeries(*key, count) for key, count in observed.leaks.items() if count)
    return ObservedLeaks(
        since=since,
        totals=add_up((each.via.value, each.count) for each in series),
        series=series,
        partial=tuple(PartialSeries(*key, count) for key, count in observed.partial.items()),
        responses=tuple(
            ResponseSeries(*key, each.number, round(each.seconds, 6)) for key, each in observed.responses.items()
        ),
    )


def count_blocks(observed: Observed[SlidingTops]) -> PerKey:
    """Count leaks by block, kind of evidence and certainty."""
    return _count((series.block, series, count) for series, count in observed.leaks.items())


def count_sinks(observed: Observed[SlidingTops]) -> PerKey:
    """Count leaks by sink, kind of evidence and certainty."""
    return _count((series.sink.value, series, count) for series, count in observed.leaks.items())


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
        client=_show_address(leak.client),
        sender=_show_address(leak.sender),
        server=_show_address(leak.server),
    )


_TYPES = frozenset(RRType)


def _count(counts: Iterable[tuple[str, Series, int]]) -> PerKey:
    found: PerKey = {}
    for key, series, count in counts:
        if count:
            certainties = found.setdefault(key, {}).setdefault(series.via.value, {})
            certainties[series.certainty.value] = certainties.get(series.certainty.value, 0) + count
    return found


def _show_address(octets: bytes | None) -> str | None:
    return None if octets is None else str(ip_address(octets))
