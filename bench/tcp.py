"""Queries over TCP: on connections that stay open, and a connection for each query.

What is outstanding is the sum over all connections: with 8 connections and 8 outstanding each waits for its response
before it asks again; with 200, about 25 queries are on their way on each. A connection for each query comes from a
client in C (connects.c): dnsperf, told to do so, waits for its own timers.
"""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import dnsperf, peers
from bench.data import write_dataset
from bench.floor import build
from bench.peers import CLIENT_CPU, Server
from bench.programs import program
from bench.queries import Workload, write_workload
from bench.tables import OURS, Column, Table
from bench.throughput import rotated, serving

COLUMNS = (
    Column("qps", "queries/s", 0, is_compared=True, more_is_better=True),
    Column("cpu", "CPU us/query", 2, is_compared=True),
    Column("busy", "core in use, %", 0, scale=100),
    Column("lost", "lost in all", of="sum"),
)
PERSISTENT = {"8 connections, 8 outstanding": 8, "8 connections, 200 outstanding": 200}
A_CONNECTION_EACH = "a connection each, 8 at once"
_AT_ONCE = 8
_NOTE = "Where less than 90 % of the core is in use the client was the limit: compare CPU time."


@dataclass(frozen=True)
class Plan:
    """What to measure, and how long."""

    servers: Sequence[str] = (OURS, *peers.PEERS)
    rounds: int = 5
    seconds: float = 5.0
    before: Path | None = None


def measure(plan: Plan) -> Table:
    """Measure and return the table: workload `mixed`, 10,000 records."""
    table = Table("tcp", "TCP, one core", "connections", "server", COLUMNS, [_NOTE])
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        dataset = write_dataset(directory / "data", 10_000)
        workload = write_workload("mixed", dataset, directory)
        connects = build(Path(__file__).parent / "connects.c", directory)
        with serving(plan.servers, dataset, plan.before) as servers:
            for label, outstanding in PERSISTENT.items():
                arguments = ("-m", "tcp", "-c", "8", "-q", str(outstanding))
                for round_ in range(plan.rounds):
                    for server in rotated(servers, round_):
                        _add(table, label, server, dnsperf.run(server, workload, plan.seconds, arguments))
            for round_ in range(plan.rounds):
                for server in rotated(servers, round_):
                    run = _run_connects(connects, server, workload, plan.seconds)
                    _add(table, A_CONNECTION_EACH, server, run)
    return table


def _add(table: Table, label: str, server: Server, run: dnsperf.Run) -> None:
    table.add(label, server.kind, qps=run.report.qps, cpu=run.cpu_us, busy=run.busy, lost=run.report.lost)


def _run_connects(made: Path, server: Server, workload: Workload, seconds: float) -> dnsperf.Run:
    words = [str(made), str(server.port), str(workload.path), str(_AT_ONCE), f"{seconds:g}"]
    before = server.cpu_seconds()
    done = subprocess.run(
        [program("taskset"), "--cpu-list", str(CLIENT_CPU), *words], stdout=subprocess.PIPE, text=True, check=True
    )
    cpu = server.cpu_seconds() - before
    *counts, took = done.stdout.split()
    sent, there, missing, others = map(int, counts)
    answered = there + missing + others
    rcodes = {"NOERROR": there, "NXDOMAIN": missing, "other": others}
    report = dnsperf.Report(sent, answered, sent - answered, float(took), 0, rcodes)
    dnsperf.check(server.kind, workload, report)
    return dnsperf.Run(report, cpu)
