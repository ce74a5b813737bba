import pytest

from blackhole_guard.counters.layout import Cell, Family, Layout, LayoutError

QUERIES = Family("queries", ("transport", "rcode"), (("udp", "NOERROR"), ("udp", "NXDOMAIN"), ("tcp", "NOERROR")))
OPEN = Family("tcp_connections", gauge=True)


def test_each_series_has_a_cell_in_the_order_given():
    layout = Layout([QUERIES, OPEN])
    assert layout.cells == 4
    assert list(layout) == [
        Cell("queries", ("transport", "rcode"), ("udp", "NOERROR"), 0),
        Cell("queries", ("transport", "rcode"), ("udp", "NXDOMAIN"), 1),
        Cell("queries", ("transport", "rcode"), ("tcp", "NOERROR"), 2),
        Cell("tcp_connections", (), (), 3),
    ]
    assert layout.cell("queries", "tcp", "NOERROR") == 2
    assert layout.cell("tcp_connections") == 3
    assert layout.gauges == (3,)


@pytest.mark.parametrize(
    "families",
    [
        [OPEN, OPEN],
        [Family("queries", ("transport",), (("udp",), ("udp",)))],
        [Family("queries", ("transport",), (("udp", "NOERROR"),))],
        [Family("queries", ("transport",))],  # a label without values
    ],
)
def test_families_that_do_not_fit_are_refused(families):
    with pytest.raises(LayoutError):
        Layout(families)


@pytest.mark.parametrize("series", [("queries", "udp"), ("queries", "NOERROR", "udp"), ("leaks",)])
def test_a_series_that_is_not_there_is_said(series):
    with pytest.raises(LayoutError, match="no such series"):
        Layout([QUERIES]).cell(*series)
