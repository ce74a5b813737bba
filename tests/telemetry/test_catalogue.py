import re

import pytest

from blackhole_guard.answering.tally import FAMILIES
from blackhole_guard.reserved.registry import BLOCKS
from blackhole_guard.server.roles import COUNTERS, GAUGES
from blackhole_guard.telemetry.catalogue import CATALOGUE, MAX_RESOLVERS, MAX_ZONES, CatalogueError, Kind, make_layout

LAYOUT = make_layout(FAMILIES, COUNTERS, GAUGES)


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_names_follow_the_conventions_of_prometheus(metric):
    assert re.fullmatch("[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert metric.name.endswith("_info") == (metric.kind is Kind.INFO)
    assert metric.help.endswith(".")
    assert not {"le", "quantile", "job", "instance"} & set(metric.labels)


def test_each_name_is_there_once():
    names = [metric.name for metric in CATALOGUE]
    assert len(set(names)) == len(names)


def test_all_that_is_counted_has_a_cell():
    for name, labels, series in FAMILIES:
        assert LAYOUT.families[name].labels == labels
        assert {cell.values for cell in LAYOUT if cell.family == name} == set(series)
    for name, reasons in COUNTERS.items():
        for reason in reasons:
            LAYOUT.cell(name, reason)
        assert reasons or LAYOUT.cell(name)
    for name in GAUGES:
        LAYOUT.cell(name)
    LAYOUT.cell("log_lines_lost")


def test_gauges_are_what_does_not_outlive_a_process():
    assert {family.name for family in LAYOUT.families.values() if family.gauge} == {"tcp_connections", "adopted_slots"}


@pytest.mark.parametrize(
    "change",
    [
        lambda: make_layout((*FAMILIES, ("coffees", (), ((),))), COUNTERS, GAUGES),
        lambda: make_layout(FAMILIES[1:], COUNTERS, GAUGES),
        lambda: make_layout(FAMILIES, {**COUNTERS, "coffees": ()}, GAUGES),
        lambda: make_layout(FAMILIES, COUNTERS, (*GAUGES, "coffees")),
        lambda: make_layout(FAMILIES, {**COUNTERS, "accept_errors": ("a reason",)}, GAUGES),
        lambda: make_layout([(*FAMILIES[0][:1], ("qname",), (("x",),)), *FAMILIES[1:]], COUNTERS, GAUGES),
    ],
)
def test_what_is_counted_and_what_is_in_the_catalogue_must_be_the_same(change):
    with pytest.raises(CatalogueError):
        change()


def test_what_is_shown_at_zero_names_values_that_there_are():
    for metric in CATALOGUE:
        for match in metric.at_zero:
            for label, wanted in match.items():
                position = metric.labels.index(label)
                there = {cell.values[position] for cell in LAYOUT if cell.family == metric.family}
                assert there >= set(wanted), metric.name


def test_there_are_less_than_2000_series_whatever_the_traffic():
    resolvers = MAX_RESOLVERS * (len(BLOCKS) + 3)
    # Zones; what the observer counts of leaks (test_leak_metrics); what `metrics` reads elsewhere, and the ends of the
    # histogram.
    others = 2 * (MAX_ZONES + 1) + resolvers + 250 + 40
    assert LAYOUT.cells + others < 2000
