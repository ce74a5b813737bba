"""What it costs to count who causes averted leaks: one server of ours, asked with its tops on and off by turns.

Each round has a run of either kind, one right behind the other, by turns first, so that what else happens on the
machine meets both. All else is on, telemetry and the ledger included. The observer's share is in the CPU time.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import dnsperf, peers, processes, toggled
from bench.data import write_dataset
from bench.peers import Options, Server
from bench.queries import SCAN, Workload, write_workload
from bench.tables import OURS, Column, Table
from bench.throughput import SIZES, rotated

_SWITCHES = {"on": toggled.ON, "off": toggled.OFF}
COLUMNS = (
    Column("qps", "queries/s"),
    Column("cpu", "CPU us/query", 2),
    Column("ratio", "queries/s, of off", 3),
    Column("cpu_ratio", "CPU, of off", 3),
    Column("lost", "lost in all", of="sum"),
)
_SETTLE = 1.0  # seconds of queries after each switch: until as many are looked at as at this rate, and caches are warm


@dataclass(frozen=True)
class Plan:
    """What to measure, and how long."""

    workloads: Sequence[str] = ("mixed", SCAN)
    rounds: int = 15
    seconds: float = 5.0


def measure(plan: Plan) -> Table:
    """Measure and return the table."""
    note = "Ratios are taken in each round, of the two runs in it; shown is their median."
    table = Table("accounting", "Tops on and off", "workload", "tops", COLUMNS, [note])
    for name in plan.workloads:
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            dataset = write_dataset(Path(directory) / "data", SIZES.get(name, 10_000))
            workload = write_workload(name, dataset, Path(directory))
            with peers.running(OURS, dataset, Options(module="bench.toggled")) as server:
                for round_ in range(plan.rounds):
                    _measure_round(table, server, workload, plan, round_)
    return table


def _measure_round(table: Table, server: Server, workload: Workload, plan: Plan, round_: int) -> None:
    runs = {}
    for tops in rotated(("on", "off"), round_):
        os.kill(_find_worker(server), _SWITCHES[tops])
        dnsperf.run(server, workload, min(_SETTLE, plan.seconds))
        run = runs[tops] = dnsperf.run(server, workload, plan.seconds)
        table.add(workload.name, tops, qps=run.report.qps, cpu=run.cpu_us, lost=run.report.lost)
    on, off = runs["on"], runs["off"]
    table.add(workload.name, "on", ratio=on.report.qps / off.report.qps, cpu_ratio=on.cpu_us / off.cpu_us)


def _find_worker(server: Server) -> int:
    """The process that answers."""
    names = {Path(f"/proc/{pid}/comm").read_text().strip(): pid for pid in processes.tree(server.process.pid)}
    return names["guard-worker-0"]
