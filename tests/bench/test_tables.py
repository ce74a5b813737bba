"""Tables of samples: medians, ratios, and both forms in which they are kept."""

import json

import pytest

from bench import tables
from bench.tables import OURS, Column, Table

COLUMNS = (Column("qps", "queries/s", is_compared=True), Column("p99", "p99, us", 1, scale=1e6))


@pytest.fixture
def table() -> Table:
    made = Table("speed", "Speed", "workload", "server", COLUMNS, ["A note."])
    for qps in (1000, 3000, 2000):
        made.add("hits", OURS, qps=qps, p99=0.00025)
    for qps in (4000, 4000, 1):
        made.add("hits", "knot", qps=qps)
    made.add("mixed", OURS, qps=5)
    return made


def test_medians_and_ratios_are_those_of_all_rounds(table):
    assert table.figure("hits", OURS, "qps") == 2000
    assert table.ratio("hits", "knot", "qps") == 0.5
    assert table.figure("hits", "knot", "p99") is None
    assert table.ratio("hits", "nsd", "qps") is None
    assert table.ratio("mixed", "knot", "qps") is None
    assert (table.groups(), table.subjects(), table.rounds()) == (["hits", "mixed"], [OURS, "knot"], 3)


def test_what_was_lost_is_added_up_and_of_what_took_long_the_longest_counts():
    columns = (Column("lost", "lost in all", of="sum"), Column("longest", "longest", of="max"))
    table = Table("reloads", "Reloads", "PTRs", "server", columns)
    for lost, longest in ((0, 5.0), (0, 9.0), (3, 1.0)):
        table.add("many", OURS, lost=lost, longest=longest)
    assert (table.figure("many", OURS, "lost"), table.figure("many", OURS, "longest")) == (3, 9.0)
    assert Table.from_json("reloads", table.to_json()).figure("many", OURS, "lost") == 3


def test_a_figure_without_a_column_is_a_mistake(table):
    with pytest.raises(AssertionError, match="no column"):
        table.add("hits", OURS, qqs=1)


def test_markdown_has_a_line_for_each_row(table):
    assert table.to_markdown().splitlines() == [
        "| workload | server | queries/s | ours to it | p99, us |",
        "|---|---|---:|---:|---:|",
        "| hits | **ours** | 2,000 |  | 250.0 |",
        "|  | knot | 4,000 | 0.50 |  |",
        "| mixed | **ours** | 5 |  |  |",
        "",
        "Medians of 3 rounds. A note.",
    ]


def test_a_table_comes_back_from_its_file_and_leaves_others_alone(table, tmp_path):
    path = tmp_path / "performance" / "results.json"
    other = Table("memory", "Memory", "size", "server", (Column("pss", "MB"),))
    other.add("10,000", OURS, pss=float("inf"))
    tables.save([other], path)
    tables.save([table], path)
    assert tables.load(path) == {"speed": table, "memory": other}
    assert tables.taken(path)["speed"].endswith(tables.describe_machine())
    assert '"qps": [1000.0, 3000.0, 2000.0]' in path.read_text()  # a line, so that it can be read and compared
    json.loads(path.read_text())


def test_there_are_no_tables_before_the_first(tmp_path):
    assert tables.load(tmp_path / "results.json") == {}
