"""What ours does worse is listed, whichever way a figure is good."""

from bench.tables import OURS, Column, Table
from bench.worse import list_worse


def test_each_peer_has_what_it_does_better_by_more_than_chance():
    columns = (
        Column("qps", "queries/s", is_compared=True, more_is_better=True),
        Column("cpu", "us", 1, is_compared=True),
        Column("lost", "lost"),
    )
    table = Table("throughput", "Throughput", "workload", "server", columns)
    table.add("hits", OURS, qps=1000, cpu=5.0, lost=9)
    table.add("hits", "knot", qps=1010, cpu=4.95, lost=0)
    table.add("hits", "nsd", qps=1100, cpu=4.5, lost=0)
    table.add("hits", "bind", qps=500, cpu=9.0, lost=0)
    table.add("scan", "bind", qps=500, cpu=9.0, lost=0)
    table.add("mixed", OURS, qps=900, cpu=5.0, lost=0)
    table.add("mixed", "nsd", qps=1000, cpu=5.0, lost=0)
    assert list_worse([table]).splitlines() == [
        "- Knot DNS: nothing that is measured here",
        "- NSD:",
        "  - Throughput, queries/s: hits 1,000 against 1,100; mixed 900 against 1,000",
        "  - Throughput, us: hits 5.0 against 4.5",
        "- BIND: nothing that is measured here",
    ]
