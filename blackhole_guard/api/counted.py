"""What workers have counted, added up for the documents: the same cells as the metrics show."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from blackhole_guard.api.documents import AvertedSeries, Worker
from blackhole_guard.counters.control import Control
from blackhole_guard.counters.layout import Cell, Layout
from blackhole_guard.counters.pages import Pages
from blackhole_guard.reserved.registry import Sink

# Families of cells; each is one of the numbers of a worker.
_AVERTED, _QUERIES, _REFUSED, _CONNECTIONS = ("leaks_averted",), ("queries",), ("refused",), ("tcp_connections",)
_ERRORS = ("answer_errors", "worker_errors")


class Totals(NamedTuple):
    """What was counted over all workers."""

    averted: tuple[AvertedSeries, ...]  # what is 0 is left out
    unmapped: Mapping[str, int]  # by block
    searches_ended: Mapping[str, int]  # by block


def read_totals(pages: Pages) -> Totals:
    """Add up all pages."""
    totals, layout = pages.totals(), pages.layout
    averted = [(cell.values, totals[cell.number]) for cell in _cells(layout, *_AVERTED)]
    return Totals(
        tuple(_make_series(values, count) for values, count in averted if count),
        {cell.values[0]: totals[cell.number] for cell in _cells(layout, "unmapped_queries")},
        {cell.values[0]: totals[cell.number] for cell in _cells(layout, "searches_ended")},
    )


def add_up(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Add up counts of the same key."""
    sums: dict[str, int] = {}
    for key, count in counts:
        sums[key] = sums.get(key, 0) + count
    return sums


def read_workers(pages: Pages, control: Control, now: float) -> tuple[Worker, ...]:
    """Read the pages of all slots; `now`: monotonic seconds."""
    families = (_QUERIES, _AVERTED, _REFUSED, _CONNECTIONS, _ERRORS)
    # Once for all slots: there may be a thousand, with two thousand cells each.
    numbers = [[cell.number for name in names for cell in _cells(pages.layout, name)] for names in families]
    return tuple(_read_worker(pages, control, slot, numbers, now) for slot in range(control.slots))


def _read_worker(pages: Pages, control: Control, slot: int, numbers: list[list[int]], now: float) -> Worker:
    counts, beat = pages.page(slot).tolist(), control.last_beat(slot)
    queries, averted, refused, connections, errors = (sum(counts[number] for number in each) for each in numbers)
    return Worker(
        slot=slot,
        alive=control.is_alive(slot),
        silent_for=round(max(0.0, now - beat), 3) if beat else None,
        restarts=control.restarts(slot),
        queries=queries,
        averted=averted,
        refused=refused,
        errors=errors,
        tcp_connections=connections,
    )


def _cells(layout: Layout, family: str) -> Iterator[Cell]:
    return (cell for cell in layout if cell.family == family)


def _make_series(values: Sequence[str], count: int) -> AvertedSeries:
    block, sink, shape, outcome = values
    return AvertedSeries(block, Sink(sink), shape, outcome, count)
