"""Throughput: how many queries a second a server on one core answers, and how much CPU time each costs it.

All servers run side by side, and all but one are idle; each round asks each of them once, in another order, so that
what else happens on the machine meets all. CPU time has the kernel's work of receiving the query and, on loopback, of
handing the response to the client, too: what the echo loop, `floor`, needs is that part.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench import dnsperf, peers
from bench.data import Dataset, write_dataset
from bench.peers import Options, Server
from bench.queries import SCAN, WORKLOADS, Workload, write_workload
from bench.tables import OURS, Column, Table

SERVERS = (OURS, *peers.PEERS, "floor")
SIZES = {SCAN: 1_000_000}  # records where they are not 10,000
_PLAIN, _VARIANTS = "mixed", ("cookie", "ecs", "case")
_Each = TypeVar("_Each")
Run = Callable[[Server, Workload, float], dnsperf.Run]  # asks a server a workload for so many seconds
_WARM_UP = 0.5  # seconds, before the first round

COLUMNS = (
    Column("qps", "queries/s", 0, is_compared=True, more_is_better=True),
    Column("cpu", "CPU us/query", 2, is_compared=True),
    Column("busy", "core in use, %", 0, scale=100),
    Column("octets", "octets a response"),
    Column("lost", "lost in all", of="sum"),
)


@dataclass(frozen=True)
class Plan:
    """What to measure, and how long."""

    workloads: Sequence[str] = tuple(name for name in WORKLOADS if name != "plain")
    servers: Sequence[str] = SERVERS
    rounds: int = 5
    seconds: float = 5.0
    entries: int | None = None  # in place of each workload's own size
    before: Path | None = None  # the checkout of `before`


def measure(plan: Plan) -> Table:
    """Measure and return the table."""
    table = Table("throughput", "Throughput, one core", "workload", "server", COLUMNS, [NOTE])
    return fill(table, plan, dnsperf.run)


def fill(table: Table, plan: Plan, run: Run) -> Table:
    """Measure as `plan` says, have each run done by `run`, and return the table with its rows."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        for size, names in _by_size(plan).items():
            with serving(plan.servers, write_dataset(Path(directory) / str(size), size), plan.before) as servers:
                _measure_all(table, names, servers, plan, run, Path(directory))
    return table


NOTE = (
    "CPU time is user and system of all of a server's processes; `floor` is an echo loop in C. Where less than 90 % of "
    "the core is in use the client was the limit, and only CPU time says how the servers compare."
)


def _by_size(plan: Plan) -> dict[int, list[str]]:
    sizes: dict[int, list[str]] = {}
    for name in plan.workloads:
        sizes.setdefault(plan.entries or SIZES.get(name, 10_000), []).append(name)
    return sizes


@contextlib.contextmanager
def serving(kinds: Sequence[str], dataset: Dataset, before: Path | None = None) -> Iterator[list[Server]]:
    """Run servers side by side, all on the server's core."""
    options = Options(before=before or Options.before)
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(peers.running(kind, dataset, options)) for kind in kinds]


def _measure_all(
    table: Table, names: Sequence[str], servers: Sequence[Server], plan: Plan, run: Run, directory: Path
) -> None:
    dataset = servers[0].dataset
    workloads = [write_workload(name, dataset, directory) for name in names]
    for workload in workloads:
        for server in servers:
            run(server, workload, min(_WARM_UP, plan.seconds))
    for round_ in range(plan.rounds):
        for workload in workloads:
            asked = workload
            if workload.name == SCAN:
                workload.path.unlink(missing_ok=True)
                asked = write_workload(SCAN, dataset, directory, seed=round_ + 2)
            for server in rotated(servers, round_):
                _add(table, asked, server, run(server, asked, plan.seconds))
    for workload in workloads:
        workload.path.unlink(missing_ok=True)


def rotated(servers: Sequence[_Each], round_: int) -> list[_Each]:
    """The servers, or their kinds, in the order of a round: each comes first in its turn."""
    first = round_ % len(servers)
    return [*servers[first:], *servers[:first]]


def _add(table: Table, workload: Workload, server: Server, run: dnsperf.Run) -> None:
    table.add(
        workload.name,
        server.kind,
        qps=run.report.qps,
        cpu=run.cpu_us,
        busy=run.busy,
        octets=run.report.response_octets,
        lost=run.report.lost,
    )


def compare_variants(measured: Table) -> Table:
    """What a server does with cookies, client subnets and random case by what it does without, round by round."""
    columns = tuple(Column(name, f"{name}, of `{_PLAIN}`", 2) for name in _VARIANTS)
    table = Table("variants", "Cookies, client subnets and random case", "figure", "server", columns)
    for server in measured.subjects():
        plain = measured.samples.get((_PLAIN, server))
        for name in _VARIANTS:
            row = measured.samples.get((name, server))
            if plain is not None and row is not None:
                for seen, without in zip(row["qps"], plain["qps"], strict=True):
                    table.add("queries/s", server, **{name: seen / without})
    return table
