"""Every metric there is: its name outside, its type, its labels, what it means. docs/metrics.md is held against it.

Names follow Prometheus's conventions (https://prometheus.io/docs/practices/naming/). No label has a value that a client
chooses, so the number of series has a bound whatever the traffic.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from blackhole_guard.counters.layout import Family, Layout
from blackhole_guard.counters.meter import RESPONSE_FAMILIES

PREFIX = "blackhole_guard_"
MAX_ZONES = 100  # that have series of their own; 2 each. With what else there is, all stay under 2,000 series

MAX_RESOLVERS = 6  # that are examined on a schedule, and have series of their own; one for each block, and three


class CatalogueError(Exception):
    """What is counted and what the catalogue says do not fit together: a bug."""


class Kind(StrEnum):
    """Prometheus's types; an info is a gauge that is always 1 and there for its labels."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


# Which series of a family are shown while they are 0: those that match one of these; each names values of some labels.
# rate() misses the event with which a series begins, so small sets are shown from the start, the rest once it counts.
AtZero = tuple[Mapping[str, tuple[str, ...]], ...]
ALL: AtZero = ({},)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family as Prometheus sees it."""

    name: str  # without PREFIX
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    family: str = ""  # in the pages, where its values come from; none: from elsewhere (`metrics`)
    at_zero: AtZero = ALL


def _counter(family: str, meaning: str, *labels: str, at_zero: AtZero = ALL) -> Metric:
    return Metric(f"{family}_total", Kind.COUNTER, meaning, labels, family, at_zero)


def _gauge(family: str, meaning: str) -> Metric:
    return Metric(family, Kind.GAUGE, meaning, (), family)


CATALOGUE = (
    _counter(
        "queries",
        "Queries by how they came and how they were answered.",
        "transport",
        "family",
        "qtype",
        "rcode",
        at_zero=({"qtype": ("PTR",), "rcode": ("NOERROR", "NXDOMAIN", "REFUSED")},),
    ),
    _counter(
        "leaks_averted",
        "Queries for reserved zones that would have gone to the sink without this server.",
        "block",
        "sink",
        "shape",
        "outcome",
        at_zero=(
            {"shape": ("host",), "outcome": ("answered", "nxdomain")},
            {"shape": ("other",), "outcome": ("nxdomain",)},  # for home.arpa and its like, which have no addresses
        ),
    ),
    _counter("unmapped_queries", "PTR queries for addresses in served zones that no map names.", "block"),
    _counter(
        "searches_ended",
        "Queries for a part of an address that got NXDOMAIN: a resolver that minimises names never asks for the whole.",
        "block",
        "sink",
    ),
    Metric(
        "leaks_observed_total",
        Kind.COUNTER,
        "Queries and updates for reserved zones that left, or are likely to have left.",
        ("block", "sink", "shape", "via", "certainty"),
    ),
    Metric(
        "leaks_observed_partial_total",
        Kind.COUNTER,
        "Queries to a sink for a part of an address: of resolvers that minimise names.",
        ("sink", "via"),
    ),
    Metric("leak_responses_total", Kind.COUNTER, "Responses that came to observed leaks.", ("sink", "via")),
    Metric(
        "leak_response_seconds_total",
        Kind.COUNTER,
        "Time from observed leaks to the responses that came to them.",
        ("sink", "via"),
    ),
    Metric("leaks_unanswered_total", Kind.COUNTER, "Leaks seen on interfaces that got no response.", ("sink", "via")),
    Metric("watches", Kind.GAUGE, "Watches that are connected and report what they see on interfaces."),
    Metric("watch_reports_total", Kind.COUNTER, "Messages of watches.", ("result",)),
    Metric("watch_refused_total", Kind.COUNTER, "Connections to the watches' socket that were closed.", ("reason",)),
    Metric("watch_lost_total", Kind.COUNTER, "What watches did not see, or could not tell of.", ("what",)),
    Metric("dnstap_frames_total", Kind.COUNTER, "Frames that resolvers sent, by the kind of their message.", ("type",)),
    Metric("dnstap_producers", Kind.GAUGE, "Resolvers that are connected and send dnstap."),
    Metric("dnstap_refused_total", Kind.COUNTER, "Connections to the dnstap socket that were closed.", ("reason",)),
    _counter("refused", "Queries answered with REFUSED.", "reason"),
    _counter("updates", "Dynamic updates by how they were answered.", "result"),
    _counter("unanswered", "Messages that must not be answered.", "reason"),
    _counter("answer_errors", "Unexpected errors, answered with SERVFAIL: bugs."),
    Metric(
        "response_seconds",
        Kind.HISTOGRAM,
        "Sampled time from the receipt of a query to the sending of its response.",
    ),
    _counter("datagrams_dropped", "Datagrams that were not answered, nor looked into.", "reason"),
    _counter("responses_unsent", "Responses over UDP that the kernel did not take.", "reason"),
    _counter("receive_buffer_drops", "Datagrams that the kernel dropped because the receive buffer was full."),
    _counter("receive_errors", "Failed receptions on UDP sockets."),
    _gauge("tcp_connections", "Open TCP connections."),
    _counter("tcp_accepted", "Accepted TCP connections."),
    _counter("tcp_closed", "Closed TCP connections.", "reason"),
    _counter("accept_errors", "TCP connections that could not be accepted."),
    Metric("workers", Kind.GAUGE, "Workers that answer."),
    Metric("workers_configured", Kind.GAUGE, "Workers that shall answer."),
    _gauge("adopted_slots", "Dead workers whose sockets others read."),
    Metric("worker_restarts_total", Kind.COUNTER, "Workers that died and got a successor."),
    _counter("worker_errors", "Unexpected errors in workers: bugs."),
    _counter("tops_uncounted", "Averted leaks that the tops lack, because the observer did not take them in time."),
    Metric("snapshot_generation", Kind.GAUGE, "Number of the snapshot of the zones that is served; 0: none yet."),
    Metric("zones", Kind.GAUGE, "Zones that are served.", ("kind",)),
    Metric("zone_records", Kind.GAUGE, "PTR records of a mapped zone.", ("zone",)),
    Metric("zone_serial", Kind.GAUGE, "SOA serial of a mapped zone.", ("zone",)),
    Metric("reloads_total", Kind.COUNTER, "Loads of the sources, the one at the start included.", ("result",)),
    Metric("sources_broken", Kind.GAUGE, "1: the last load failed or was refused, older zones are served."),
    Metric(
        "last_reload_success_timestamp_seconds",
        Kind.GAUGE,
        "When the sources were last read without errors; 0: not since the start.",
    ),
    Metric("resolver_answers", Kind.GAUGE, "1: a resolver answered when it was last examined.", ("resolver",)),
    Metric(
        "resolver_leaks",
        Kind.GAUGE,
        "Zones of a block that leaked, or were made up, at a resolver when it was last examined.",
        ("resolver", "block"),
    ),
    Metric(
        "resolver_unknown",
        Kind.GAUGE,
        "Blocks of which it was not known whether they leak at a resolver when it was last examined.",
        ("resolver",),
    ),
    Metric("resolver_probe_seconds", Kind.GAUGE, "How long the last examination of a resolver took.", ("resolver",)),
    _counter("log_lines_lost", "Log lines that could not be written because nobody took them."),
    Metric("start_time_seconds", Kind.GAUGE, "When the server started, in unix time."),
    Metric("build_info", Kind.INFO, "Versions of the server and of Python.", ("version", "python")),
    Metric("config_info", Kind.INFO, "Digest of the settings and maps that are served.", ("digest",)),
    Metric("registry_info", Kind.INFO, "Date of the built-in registry of reserved zones.", ("updated",)),
)
# What every process that logs counts besides.
LOG_FAMILIES = (Family("log_lines_lost"),)


def make_layout(
    queries: Iterable[tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]],
    counters: Mapping[str, tuple[str, ...]],
    gauges: Iterable[str],
) -> Layout:
    """Lay out the pages for all that is counted, and make sure that each family is in the catalogue.

    Args:
        queries: name, labels and series of what the responder counts.
        counters: name and reasons of what a worker counts besides; no reasons: no label.
        gauges: names of what a worker sets.
    Raises:
        CatalogueError: a family, or a label of it, is not in the catalogue, or the other way round.
    """
    families = [Family(name, labels, series) for name, labels, series in queries]
    for name, reasons in counters.items():
        series = tuple((reason,) for reason in reasons)
        families.append(Family(name, ("reason",), series) if reasons else Family(name))
    families += [Family(name) for name in gauges]
    families += LOG_FAMILIES
    metrics = {metric.family: metric for metric in CATALOGUE if metric.family}
    if missing := metrics.keys() ^ {family.name for family in families}:
        raise CatalogueError(f"counted, but not in the catalogue, or in it, but not counted: {sorted(missing)}")
    for family in families:
        if metrics[family.name].labels != family.labels:
            raise CatalogueError(f"{family.name} has the labels {family.labels}, not {metrics[family.name].labels}")
    # What a process sets may be a counter that the kernel keeps; the catalogue knows.
    typed = [replace(family, gauge=metrics[family.name].kind is Kind.GAUGE) for family in families]
    return Layout([*typed, *RESPONSE_FAMILIES])
