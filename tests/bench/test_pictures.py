"""Pictures are SVG, small, and the same for the same figures."""

import pytest

from bench.latency import COLUMNS as LATENCY
from bench.pictures import draw
from bench.tables import OURS, Column, Table


@pytest.fixture
def tables() -> list[Table]:
    latency = Table("latency", "Latency", "queries/s", "server", LATENCY)
    memory = Table("memory", "Memory", "records", "server", (Column("pss", "MB"),))
    for subject in (OURS, "knot", "unbound"):
        for rate in ("1,000", "20,000"):
            latency.add(rate, subject, p50=2e-5, p90=4e-5, p99=1e-4, p999=1e-3, longest=2e-3)
        memory.add("10,000", subject, pss=75)
    return [latency, memory]


def test_each_table_is_drawn(tables, tmp_path):
    drawn = draw(tables, tmp_path)
    assert [path.name for path in drawn] == ["latency.svg", "memory.svg"]
    for path in drawn:
        text = path.read_text()
        assert "<svg" in text
        assert ">ours</text>" in text
        assert path.stat().st_size < 60_000
    before = [path.read_bytes() for path in drawn]
    assert [path.read_bytes() for path in draw(tables, tmp_path)] == before
