"""The document's tables are written between their markers, and nothing else is touched."""

from bench import tables
from bench.document import fill, refresh
from bench.floor import relate
from bench.tables import OURS, Column, Table
from bench.throughput import compare_variants

TEXT = """# Performance
Words.
<!-- table tcp -->
old
<!-- end of tcp -->
More words.
<!-- table later -->
stays
<!-- end of later -->
"""


def small(name: str) -> Table:
    table = Table(name, "Title", "workload", "server", (Column("cpu", "us", 1),))
    for subject, cpu in ((OURS, 5.0), ("nsd", 4.5), ("floor", 2.0)):
        table.add("hits", subject, cpu=cpu)
    return table


def test_known_tables_are_replaced_and_others_stay():
    filled = fill(TEXT, {"tcp": small("tcp")}, {"tcp": "today, here"})
    assert "old" not in filled
    assert "| hits | **ours** | 5.0 |" in filled
    assert "today, here.\n\n<!-- end of tcp -->\nMore words.\n<!-- table later -->\nstays\n" in filled
    assert "svg" not in filled
    drawn = fill(filled, {"tcp": small("tcp")}, {"tcp": "today, here"}, {"tcp.svg", "other.svg"})
    assert "![Title](performance/tcp.svg)" in drawn
    assert "other.svg" not in drawn
    assert fill(filled, {"tcp": small("tcp")}, {"tcp": "today, here"}) == filled


def test_variants_are_counted_by_what_is_done_without():
    table = Table("capacity", "Title", "workload", "server", (Column("qps", "queries/s"),))
    for workload, seen in (("mixed", (100, 200)), ("cookie", (90, 190)), ("case", (50, 100))):
        for qps in seen:
            table.add(workload, OURS, qps=qps)
    assert compare_variants(table).samples == {("queries/s", OURS): {"cookie": [0.9, 0.95], "case": [0.5, 0.5]}}


def test_the_floor_is_counted_from_the_table_of_capacity(tmp_path):
    table = relate(small("capacity"))
    assert table.samples == {
        ("hits", OURS): {"ratio": [2.5], "own": [3.0]},
        ("hits", "nsd"): {"ratio": [2.25], "own": [2.5]},
    }
    document, results = tmp_path / "performance.md", tmp_path / "results.json"
    document.write_text("<!-- table floor -->\n<!-- end of floor -->\n")
    tables.save([small("capacity")], results)
    refresh(document, results)
    assert "| hits | **ours** | 2.50 | 3.00 |" in document.read_text()
