"""What it costs to count who causes averted leaks: one server of ours, asked with its tops on and off by turns.

Each round is one run of a client that is never the limit, in which they are switched on and off every second, so that
what else happens on the machine meets both: its speed changes within seconds. All else is on, telemetry and the ledger
included. The observer's share is in the CPU time. Queries are counted by the kernel, as datagrams that were received:
half of them.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep

from bench import eager, peers, processes, toggled
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
_SETTLE = 1.5  # seconds of queries before: until as many are looked at as at this rate, and caches are warm
_SLICE = 1.0  # seconds of either
_SNMP = Path("/proc/net/snmp")


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
            # Of a million names some are asked twice in a run that is so long, and that late nothing is kept of them.
            workload = replace(write_workload(name, dataset, Path(directory)), runs=0)
            with peers.running(OURS, dataset, Options(module="bench.toggled")) as server, eager.client() as made:
                for round_ in range(plan.rounds):
                    _measure_round(table, made, server, workload, plan, round_)
    return table


def _measure_round(table: Table, made: Path, server: Server, workload: Workload, plan: Plan, round_: int) -> None:
    worker, slices = _find_worker(server), max(1, round(plan.seconds / _SLICE))
    size = plan.seconds / slices
    sums = {tops: _Used() for tops in _SWITCHES}
    with eager.asking(made, server, workload, _SETTLE + 2 * plan.seconds + 1) as client:
        os.kill(worker, _SWITCHES["on"])
        sleep(_SETTLE)
        for number in range(slices):
            for tops in rotated(("on", "off"), round_ + number):
                os.kill(worker, _SWITCHES[tops])
                before = _read(server)
                sleep(size)
                sums[tops] += _read(server) - before
        report = client.finish()
    on, off = sums["on"], sums["off"]
    for tops, used in sums.items():
        table.add(workload.name, tops, qps=used.qps, cpu=used.cpu_us)
    table.add(workload.name, "on", ratio=on.qps / off.qps, cpu_ratio=on.cpu_us / off.cpu_us, lost=report.lost)


@dataclass(frozen=True)
class _Used:
    """What was used and done up to a moment, or between two."""

    seconds: float = 0.0
    queries: float = 0.0
    cpu: float = 0.0  # seconds

    @property
    def qps(self) -> float:
        return self.queries / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu / self.queries * 1e6

    def __add__(self, other: "_Used") -> "_Used":
        return _Used(self.seconds + other.seconds, self.queries + other.queries, self.cpu + other.cpu)

    def __sub__(self, other: "_Used") -> "_Used":
        return _Used(self.seconds - other.seconds, self.queries - other.queries, self.cpu - other.cpu)


def _read(server: Server) -> _Used:
    names, values = (line.split() for line in _SNMP.read_text().splitlines() if line.startswith("Udp: "))
    received = int(values[names.index("InDatagrams")])  # queries by the server, responses by the client
    return _Used(monotonic(), received / 2, server.cpu_seconds())


def _find_worker(server: Server) -> int:
    """The process that answers."""
    names = {Path(f"/proc/{pid}/comm").read_text().strip(): pid for pid in processes.tree(server.process.pid)}
    return names["guard-worker-0"]
