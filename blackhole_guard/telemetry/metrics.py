"""The pages of counters, and what else is known, as Prometheus's text format or OpenMetrics.

All that is read here is memory: a scrape asks nothing of a worker, and a worker that hangs does not hold it up.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.core import Metric as PrometheusMetric
from prometheus_client.openmetrics import exposition as openmetrics

from blackhole_guard.counters.control import RELOAD_RESULTS, Control
from blackhole_guard.counters.layout import Cell
from blackhole_guard.counters.meter import BUCKETS, NANOSECONDS
from blackhole_guard.counters.pages import Pages
from blackhole_guard.telemetry.catalogue import CATALOGUE, MAX_ZONES, PREFIX, Kind, Metric

Samples = list[tuple[tuple[str, ...], float]]  # values of the labels, value

OTHERS = "(others)"  # the zones that have no series of their own
TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# Seconds that a rendering is good for; workers bring out their counts every second.
_KEPT = 0.25

_render_openmetrics: Callable[[CollectorRegistry], bytes] = openmetrics.generate_latest  # without types in the library


class ZoneFact(Protocol):
    """What is known of one served zone."""

    @property
    def label(self) -> str:
        """Its block, or the name of a zone that is none: "10.0.0.0/8", "home.arpa"."""

    @property
    def serial(self) -> int:
        """Of its SOA."""

    @property
    def records(self) -> int:
        """PTR records in it."""

    @property
    def mapped(self) -> bool:
        """Whether a map fills it; else it is built in."""


@dataclass(frozen=True, slots=True)
class Served:
    """What is served now."""

    digest: str  # of settings and maps
    zones: Sequence[ZoneFact]  # each label once, in an order that a reload keeps


@dataclass(frozen=True, slots=True)
class Build:
    """What does not change while the server runs."""

    version: str
    python: str
    registry_updated: str  # the date of the registry, as it says itself


@dataclass(frozen=True, slots=True)
class Facts:
    """Where everything comes from that is shown."""

    pages: Pages
    control: Control
    build: Build
    served: Callable[[], Served | None]  # called at each rendering, so out of memory; None: nothing yet
    observed: Callable[[], Mapping[str, Samples]] = dict  # what the observer itself has counted, by metric's name


class Exposition:
    """Renders all metrics, at most once in a quarter of a second in each form."""

    def __init__(self, facts: Facts) -> None:
        """Prepare for scrapes.

        Args:
            facts: read at each rendering.
        """
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(facts))
        self._rendered: dict[tuple[str, bool], tuple[float, bytes]] = {}  # form, gzip -> when, what

    def render(self, form: str, zipped: bool, now: float) -> bytes:
        """Render all metrics.

        Args:
            form: TEXT or OPENMETRICS.
            zipped: whether to compress with gzip.
            now: monotonic seconds.
        """
        kept = self._rendered.get((form, zipped))
        if kept is not None and now - kept[0] < _KEPT:
            return kept[1]
        if zipped:
            body = gzip.compress(self.render(form, False, now), 5, mtime=0)
        elif form == OPENMETRICS:
            body = _render_openmetrics(self._registry)
        else:
            body = exposition.generate_latest(self._registry)
        self._rendered[form, zipped] = (now, body)
        return body


def choose_form(accept: str) -> str:
    """Choose the form that an Accept header prefers (RFC 9110 section 12.5.1); TEXT if it has no preference."""
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        if name in weights:
            weights[name] = max(weights[name], _weight(parameters))
    return OPENMETRICS if weights["application/openmetrics-text"] > weights["text/plain"] else TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header names gzip (RFC 9110 section 12.5.3)."""
    for item in accept_encoding.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        if name == "gzip":
            return _weight(parameters) > 0
    return False


def _weight(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


class _Collector:
    """Turns what is known into metric families, in the order of the catalogue."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._cells: dict[str, list[tuple[Cell, bool]]] = {metric.family: [] for metric in CATALOGUE}
        metrics = {metric.family: metric for metric in CATALOGUE if metric.family}
        self._buckets: list[tuple[str, int]] = []
        for cell in facts.pages.layout:
            if cell.family in metrics:
                self._cells[cell.family].append((cell, _shows_zero(metrics[cell.family], cell)))
            elif cell.family == BUCKETS:
                self._buckets.append((cell.values[0], cell.number))
        self._nanoseconds = facts.pages.layout.cell(NANOSECONDS)

    def describe(self) -> Iterable[PrometheusMetric]:
        """Say nothing: the registry would else collect once when it is made."""
        return ()

    def collect(self) -> Iterator[PrometheusMetric]:
        """Read everything once."""
        totals = self._facts.pages.totals()
        others = {**self._read_control(), **self._read_served(), **self._read_build(), **self._facts.observed()}
        for metric in CATALOGUE:
            if metric.kind is Kind.HISTOGRAM:
                yield self._make_histogram(metric, totals)
            elif metric.family:
                yield _make_family(metric, self._read_cells(metric, totals))
            else:
                yield _make_family(metric, others.get(metric.name, []))

    def _read_cells(self, metric: Metric, totals: Sequence[int]) -> Samples:
        cells = self._cells[metric.family]
        return [(cell.values, totals[cell.number]) for cell, at_zero in cells if at_zero or totals[cell.number]]

    def _make_histogram(self, metric: Metric, totals: Sequence[int]) -> PrometheusMetric:
        count, buckets = 0, []
        for bound, number in self._buckets:
            count += totals[number]
            buckets.append((bound, float(count)))
        seconds = totals[self._nanoseconds] / 1e9
        return HistogramMetricFamily(PREFIX + metric.name, metric.help, buckets=buckets, sum_value=seconds)

    def _read_control(self) -> dict[str, Samples]:
        control = self._facts.control
        return {
            "workers": [((), control.workers_alive)],
            "workers_configured": [((), control.slots)],
            "worker_restarts_total": [((), sum(control.restarts(slot) for slot in range(control.slots)))],
            "snapshot_generation": [((), control.generation)],
            "reloads_total": [((result,), control.reloads(result)) for result in RELOAD_RESULTS],
            "sources_broken": [((), control.sources_broken)],
            "last_reload_success_timestamp_seconds": [((), control.last_reload_success)],
            "start_time_seconds": [((), control.started)],
        }

    def _read_served(self) -> dict[str, Samples]:
        served = self._facts.served()
        if served is None:
            return {"zones": [(("mapped",), 0), (("built-in",), 0)]}
        mapped = [zone for zone in served.zones if zone.mapped]
        shown, rest = mapped[:MAX_ZONES], mapped[MAX_ZONES:]
        records: Samples = [((zone.label,), zone.records) for zone in shown]
        if rest:
            records.append(((OTHERS,), sum(zone.records for zone in rest)))
        return {
            "zones": [(("mapped",), len(mapped)), (("built-in",), len(served.zones) - len(mapped))],
            "zone_records": records,
            "zone_serial": [((zone.label,), zone.serial) for zone in shown],
            "config_info": [((served.digest,), 1)],
        }

    def _read_build(self) -> dict[str, Samples]:
        build = self._facts.build
        return {
            "build_info": [((build.version, build.python), 1)],
            "registry_info": [((build.registry_updated,), 1)],
        }


def _shows_zero(metric: Metric, cell: Cell) -> bool:
    values = dict(zip(cell.labels, cell.values, strict=True))
    return any(all(values[label] in wanted for label, wanted in match.items()) for match in metric.at_zero)


def _make_family(metric: Metric, samples: Samples) -> PrometheusMetric:
    name = PREFIX + metric.name
    if metric.kind is Kind.INFO:
        info = InfoMetricFamily(name.removesuffix("_info"), metric.help)
        for values, _ in samples:
            info.add_metric([], dict(zip(metric.labels, values, strict=True)))
        return info
    make = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family: CounterMetricFamily | GaugeMetricFamily = make(name, metric.help, labels=metric.labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family
