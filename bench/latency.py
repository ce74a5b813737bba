"""Latency: how long a client waits for a response at a steady rate, in percentiles of all queries.

The client runs on a core of its own and sends on time whether responses come or not. A percentile is taken of each
round, and the table's is the median of the rounds'.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import peers, steady
from bench.data import write_dataset
from bench.queries import write_workload
from bench.tables import OURS, Column, Table
from bench.throughput import rotated, serving

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9, "longest": 100.0}
COLUMNS = (
    Column("p50", "p50, us", 0, scale=1e6),
    Column("p90", "p90, us", 0, scale=1e6),
    Column("p99", "p99, us", 0, is_compared=True, scale=1e6),
    Column("p999", "p99.9, us", 0, scale=1e6),
    Column("longest", "longest of all, us", 0, scale=1e6, of="max"),
    Column("lost", "lost in all", of="sum"),
    Column("late", "client late by at most, us", 0, scale=1e6, of="max"),
)
_NOTE = (
    "A time runs from when a query was due: what stops the client itself for a moment (last column) is in every tail."
)


@dataclass(frozen=True)
class Plan:
    """What to measure, and how long."""

    servers: Sequence[str] = (OURS, *peers.PEERS, "floor")
    rates: Sequence[int] = (1_000, 20_000, 50_000)  # queries a second
    rounds: int = 5
    seconds: float = 5.0
    before: Path | None = None


def measure(plan: Plan) -> Table:
    """Measure and return the table: workload `mixed`, 10,000 records."""
    table = Table("latency", "Latency at a steady rate", "queries/s", "server", COLUMNS, [_NOTE])
    with tempfile.TemporaryDirectory(prefix="bench-") as name, steady.client() as client:
        directory = Path(name)
        dataset = write_dataset(directory / "data", 10_000)
        workload = write_workload("mixed", dataset, directory)
        with serving(plan.servers, dataset, plan.before) as servers:
            for server in servers:
                steady.run(client, server, workload, 5_000, 1)  # what is made at a first query is made
            for rate in plan.rates:
                for round_ in range(plan.rounds):
                    for server in rotated(servers, round_):
                        load = steady.run(client, server, workload, rate, plan.seconds)
                        seen = dict(zip(PERCENTILES, load.percentiles([*PERCENTILES.values()]), strict=True))
                        table.add(f"{rate:,}", server.kind, **seen, lost=load.report.lost, late=load.late)
    return table
