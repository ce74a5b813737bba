import mmap
import os
import signal
import time

import pytest
from forks import in_child
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.counters.layout import Family, Layout
from blackhole_guard.counters.meter import RESPONSE_FAMILIES, PageMeter
from blackhole_guard.counters.pages import Pages

LAYOUT = Layout(
    [
        Family("queries", ("rcode",), (("NOERROR",), ("NXDOMAIN",))),
        Family("receive_buffer_drops"),
        Family("tcp_connections", gauge=True),
        *RESPONSE_FAMILIES,
    ]
)
OPEN = LAYOUT.cell("tcp_connections")
NXDOMAIN = LAYOUT.cell("queries", "NXDOMAIN")


def test_pages_begin_at_zero_and_have_a_cell_for_each_series():
    pages = Pages(LAYOUT, 3)
    assert pages.totals() == [0] * LAYOUT.cells
    assert [len(pages.page(index)) for index in range(3)] == [LAYOUT.cells] * 3


def test_pages_do_not_share_cells():
    pages = Pages(LAYOUT, 3)
    for index in range(3):
        pages.page(index)[0] = 10**index
        pages.page(index)[LAYOUT.cells - 1] = 2 * 10**index
    assert [pages.page(index)[0] for index in range(3)] == [1, 10, 100]
    assert pages.sum(0) == 111
    assert pages.totals()[LAYOUT.cells - 1] == 222


def test_a_layout_that_fills_memory_pages_exactly_keeps_them_apart():
    series = tuple((str(number),) for number in range(mmap.PAGESIZE // 8))
    pages = Pages(Layout([Family("full", ("number",), series)]), 2)
    pages.page(0)[-1] = 1
    pages.page(1)[0] = 2
    assert pages.totals()[0] == 2 and pages.totals()[-1] == 1


def test_a_cell_holds_64_bits():
    pages = Pages(LAYOUT, 2)
    pages.page(0)[0] = 2**64 - 1
    assert pages.sum(0) == 2**64 - 1
    with pytest.raises(ValueError):
        pages.page(0)[0] = 2**64


def test_what_a_child_counts_is_seen_by_its_parent():
    pages = Pages(LAYOUT, 2)
    for index in range(2):
        in_child(
            lambda index=index: PageMeter(pages.page(index), LAYOUT).add_counts({("queries", "NXDOMAIN"): 7 + index})
        )
    assert pages.sum(NXDOMAIN) == 15


def test_counters_outlive_a_killed_worker_and_gauges_do_not():
    pages = Pages(LAYOUT, 2)
    PageMeter(pages.page(1), LAYOUT).set("tcp_connections", 4)
    child = os.fork()
    if child == 0:
        meter = PageMeter(pages.page(0), LAYOUT)
        meter.set("tcp_connections", 3)
        meter.set("receive_buffer_drops", 9)
        while True:
            meter.add("queries", "NXDOMAIN")
    while pages.sum(NXDOMAIN) < 1000:
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    counted = pages.sum(NXDOMAIN)
    assert pages.sum(OPEN) == 7

    pages.clear_gauges(0)
    in_child(lambda: PageMeter(pages.page(0), LAYOUT).add("queries", "NXDOMAIN"))  # the successor

    assert pages.sum(NXDOMAIN) == counted + 1
    assert pages.sum(OPEN) == 4  # of the one that lives
    assert pages.sum(LAYOUT.cell("receive_buffer_drops")) == 9


def test_a_reader_never_sees_a_counter_half_written():
    pages = Pages(LAYOUT, 1)
    child = os.fork()
    if child == 0:
        page = pages.page(0)
        while True:  # all octets of the cell change at once
            page[0] = 0
            page[0] = 2**64 - 1
    try:
        seen = {pages.page(0)[0] for _ in range(300_000)}
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert seen <= {0, 2**64 - 1}


@given(st.lists(st.lists(st.integers(0, 2**40), min_size=LAYOUT.cells, max_size=LAYOUT.cells), min_size=1, max_size=4))
def test_totals_are_the_sums_of_all_pages(rows):
    pages = Pages(LAYOUT, len(rows))
    for index, row in enumerate(rows):
        for cell, value in enumerate(row):
            pages.page(index)[cell] = value
    assert pages.totals() == [sum(column) for column in zip(*rows, strict=True)]
    assert pages.totals() == [pages.sum(cell) for cell in range(LAYOUT.cells)]
