import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.counters.layout import Family, Layout, LayoutError
from blackhole_guard.counters.meter import BOUNDS, BUCKETS, NANOSECONDS, RESPONSE_FAMILIES, PageMeter
from blackhole_guard.counters.pages import Pages

LAYOUT = Layout(
    [
        Family("queries", ("transport", "rcode"), (("udp", "NOERROR"), ("tcp", "NOERROR"))),
        Family("tcp_closed", ("reason",), (("client",), ("idle",))),
        Family("accept_errors"),
        Family("tcp_connections", gauge=True),
        *RESPONSE_FAMILIES,
    ]
)


@pytest.fixture
def pages():
    return Pages(LAYOUT, 1)


@pytest.fixture
def meter(pages):
    return PageMeter(pages.page(0), LAYOUT)


def test_counters_add_and_gauges_are_set(pages, meter):
    meter.add("tcp_closed", "idle")
    meter.add("tcp_closed", "idle", 2)
    meter.add("accept_errors")
    meter.set("tcp_connections", 5)
    meter.set("tcp_connections", 3)
    assert pages.sum(LAYOUT.cell("tcp_closed", "idle")) == 3
    assert pages.sum(LAYOUT.cell("tcp_closed", "client")) == 0
    assert pages.sum(LAYOUT.cell("accept_errors")) == 1
    assert pages.sum(LAYOUT.cell("tcp_connections")) == 3


def test_a_tally_is_folded_into_what_is_there(pages, meter):
    for _ in range(2):
        meter.add_counts({("queries", "udp", "NOERROR"): 40, ("queries", "tcp", "NOERROR"): 2})
    meter.add_counts({})
    assert pages.sum(LAYOUT.cell("queries", "udp", "NOERROR")) == 80
    assert pages.sum(LAYOUT.cell("queries", "tcp", "NOERROR")) == 4


def test_an_unknown_series_is_said_and_loses_no_other(pages, meter):
    with pytest.raises(LayoutError, match="sctp"):
        meter.add_counts({("queries", "sctp", "NOERROR"): 1, ("queries", "udp", "NOERROR"): 1})
    assert pages.sum(LAYOUT.cell("queries", "udp", "NOERROR")) == 1
    with pytest.raises(LayoutError):
        meter.add("tcp_closed", "boredom")
    with pytest.raises(LayoutError):
        meter.set("udp_connections", 1)


@pytest.mark.parametrize(
    ("seconds", "bound"),
    [
        (0.0, "2.5e-05"),
        (0.000025, "2.5e-05"),  # a bound is part of its bucket
        (0.000026, "5e-05"),
        (0.0007, "0.001"),
        (1.0, "1.0"),
        (1.1, "+Inf"),
        (-3.0, "2.5e-05"),  # the clock was set back meanwhile
        (1e9, "+Inf"),  # or forward
    ],
)
def test_a_time_falls_into_one_bucket(pages, meter, seconds, bound):
    meter.observe(seconds)
    filled = [cell.values for cell in LAYOUT if cell.family == BUCKETS and pages.sum(cell.number)]
    assert filled == [(bound,)]
    assert pages.sum(LAYOUT.cell(NANOSECONDS)) <= 60 * 10**9


@given(st.lists(st.floats(0, 2), max_size=50))
def test_times_add_up(times):
    pages = Pages(LAYOUT, 1)
    meter = PageMeter(pages.page(0), LAYOUT)
    for seconds in times:
        meter.observe(seconds)
    buckets = [pages.sum(LAYOUT.cell(BUCKETS, str(bound))) for bound in (*BOUNDS, "+Inf")]
    assert sum(buckets) == len(times)
    for index, bound in enumerate(BOUNDS):
        assert sum(buckets[: index + 1]) == sum(seconds <= bound for seconds in times)
    assert pages.sum(LAYOUT.cell(NANOSECONDS)) / 1e9 == pytest.approx(sum(times), abs=1e-6)
