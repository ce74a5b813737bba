"""What a second worker costs: CPU time a query of ours with one and with two workers, at the same rate a worker.

Two workers on two cores leave none for the client alone. So three set-ups: one worker on its core and the client on
the other; two workers of one server, which use both cores, as does the client; and two servers of one worker each,
which use the cores and the client in the very same way, but share nothing of ours. What two workers of one server cost
each other is the second against the third; the second against the first has the price of sharing cores with the client.
"""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import dnsperf, processes
from bench.data import Dataset, write_dataset
from bench.peers import CLIENT_CPU, SERVER_CPU, Options, Server, running
from bench.programs import program
from bench.queries import Workload, write_workload
from bench.tables import OURS, Column, Table

COLUMNS = (
    Column("cpu", "CPU us/query", 2),
    Column("ratio", "to one worker", 2),
    Column("alike", "to two servers", 2),
    Column("balance", "work of the busier one, %", 0, scale=100),
    Column("lost", "lost in all", of="sum"),
)
ONE, TWO, APART = "one worker", "two workers", "two servers of one worker"
_CLIENTS = 64  # sockets of each client: the kernel spreads sockets over workers, not queries
_BOTH = (SERVER_CPU, CLIENT_CPU)


@dataclass(frozen=True)
class Plan:
    """What to measure, and how long."""

    rates: Sequence[int] = (10_000, 30_000)  # queries a second for each worker
    rounds: int = 5
    seconds: float = 5.0


def measure(plan: Plan) -> Table:
    """Measure and return the table: workload `mixed`, 10,000 records."""
    note = "The rate is that of each worker; the client has a core for itself only beside one worker."
    table = Table("workers", "A second worker", "queries/s a worker", "set-up", COLUMNS, [note])
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        dataset = write_dataset(Path(name) / "data", 10_000)
        workload = write_workload("mixed", dataset, Path(name))
        with _set_ups(dataset) as set_ups:
            for rate in plan.rates:
                for _ in range(plan.rounds):
                    _add_round(table, set_ups, workload, rate, plan.seconds)
    return table


@contextlib.contextmanager
def _set_ups(dataset: Dataset) -> Iterator[dict[str, list[Server]]]:
    with contextlib.ExitStack() as stack:

        def run(workers: int, cpus: Sequence[int]) -> Server:
            return stack.enter_context(running(OURS, dataset, Options(workers=workers, cpus=cpus)))

        set_ups = {ONE: [run(1, _BOTH[:1])], TWO: [run(2, _BOTH)], APART: [run(1, _BOTH[:1]), run(1, _BOTH[1:])]}
        for cpu, worker in zip(_BOTH, _workers(set_ups[TWO][0]), strict=True):
            _pin(worker, cpu)
        yield set_ups


def _workers(server: Server) -> list[int]:
    return sorted(pid for pid in server.pids if processes.name_of(pid).startswith("guard-worker"))


def _pin(pid: int, cpu: int) -> None:
    """Keep a worker on a core, as those of the two servers are."""
    words = [program("taskset"), "--all-tasks", "--cpu-list", "--pid", str(cpu), str(pid)]
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)


def _add_round(table: Table, set_ups: dict[str, list[Server]], workload: Workload, rate: int, seconds: float) -> None:
    costs: dict[str, float] = {}
    for label, servers in set_ups.items():
        cost, balance, lost = _load(servers, workload, rate, seconds, workers=1 if label == ONE else 2)
        costs[label] = cost
        table.add(f"{rate:,}", label, cpu=cost, balance=balance, lost=lost)
    for label, cost in costs.items():
        table.add(f"{rate:,}", label, ratio=cost / costs[ONE], alike=cost / costs[APART])


def _load(
    servers: Sequence[Server], workload: Workload, rate: int, seconds: float, workers: int
) -> tuple[float, float, int]:
    """Load all servers of a set-up at once.

    Returns:
        microseconds of CPU time a query, the busiest worker's share of the workers' CPU time, and the queries lost.
    """
    pids = [pid for server in servers for pid in _workers(server)]
    before = sum(server.cpu_seconds() for server in servers)
    busy = {pid: processes.usage_of(pid).total for pid in pids}
    # Of each client half the queries stay on its core and half go to the other, whoever serves them there.
    places = [
        (cpu, servers[number % len(servers)]) for number in range(2) for cpu in (_BOTH if workers == 2 else _BOTH[1:])
    ]
    each = rate * workers / len(places)
    clients = [_start(target.port, workload, seconds, each, cpu) for cpu, target in places]
    reports = [dnsperf.parse_report(client.communicate()[0]) for client in clients]
    cpu_seconds = sum(server.cpu_seconds() for server in servers) - before
    used = [processes.usage_of(pid).total - busy[pid] for pid in pids]
    for report in reports:
        dnsperf.check(OURS, workload, report)
    answered = sum(report.completed for report in reports)
    return cpu_seconds / answered * 1e6, max(used) / max(sum(used), 1e-9), sum(report.lost for report in reports)


def _start(port: int, workload: Workload, seconds: float, rate: float, cpu: int) -> subprocess.Popen[str]:
    arguments = ("-c", str(_CLIENTS), "-q", "100", "-Q", f"{rate:g}")
    words = dnsperf.command(port, workload, seconds, arguments)
    pinned = [program("taskset"), "--cpu-list", str(cpu)]
    return subprocess.Popen([*pinned, *words], stdout=subprocess.PIPE, text=True)
