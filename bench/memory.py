"""Memory: the proportional share (PSS) of all processes of a server, after its start and after a query for each record.

A page that several processes map counts once in all, so a store that all workers map does. Ours has telemetry on,
unless it says otherwise, and is measured once the observer has started, too.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench import dnsperf, peers
from bench.data import Dataset, write_dataset
from bench.peers import Options, Server
from bench.queries import SCAN, write_workload
from bench.tables import OURS, Column, Table
from blackhole_guard.server.control import ReloadRequest, ask_reload
from blackhole_guard.server.loads import LoadResult

COLUMNS = (
    Column("start", "MiB after the start", 1, is_compared=True, scale=1 / 1024),
    Column("asked", "MiB after a query for each", 1, is_compared=True, scale=1 / 1024),
    Column("reloaded", "MiB after 20 reloads", 1, scale=1 / 1024),
)
_SETTLED = 3.0  # seconds from the first answer until the observer has been started and scraped
_RELOADS = 20
_LONGEST = 120.0  # seconds for a query for each
_REST = 1.5  # seconds in which counters are folded, and what was held for the load alone is given back


@dataclass(frozen=True)
class Case:
    """One set-up."""

    label: str
    entries: int
    family: int = 4
    workers: int = 1
    telemetry: bool = True
    has_peers: bool = False
    reloads: bool = False


CASES = (
    Case("10,000 PTRs", 10_000, has_peers=True, reloads=True),
    Case("10,000 PTRs, telemetry off", 10_000, telemetry=False),
    Case("10,000 PTRs, 2 workers", 10_000, workers=2),
    Case("10,000 PTRs, 4 workers", 10_000, workers=4),
    Case("100,000 PTRs", 100_000, has_peers=True),
    Case("1,000,000 PTRs, 2 workers", 1_000_000, workers=2, has_peers=True, reloads=True),
    Case("1,000,000 PTRs in fd00::/8, 2 workers", 1_000_000, 6, workers=2, has_peers=True, reloads=True),
)


@dataclass(frozen=True)
class Plan:
    """What to measure, and how often."""

    servers: Sequence[str] = (OURS, *peers.PEERS)
    rounds: int = 1  # memory hardly differs from start to start
    cases: Sequence[Case] = field(default=CASES)


def measure(plan: Plan) -> Table:
    """Measure and return the table. Peers always have one process or thread that answers."""
    table = Table("memory", "Memory of all processes (PSS)", "data", "server", COLUMNS, [])
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for case in plan.cases:
            dataset = write_dataset(Path(name) / f"{case.entries}-{case.family}", case.entries, case.family)
            for _ in range(plan.rounds):
                for kind in plan.servers:
                    if kind == OURS or case.has_peers:
                        table.add(case.label, kind, **dict(_measure(kind, dataset, case, Path(name))))
    return table


def _measure(kind: str, dataset: Dataset, case: Case, directory: Path) -> Iterator[tuple[str, float]]:
    options = Options(workers=case.workers, telemetry=case.telemetry, cpus=None)
    with peers.running(kind, dataset, options) as server:
        time.sleep(_SETTLED)
        yield "start", server.pss_kib()
        _ask_all(server, directory)
        yield "asked", server.pss_kib()
        if kind == OURS and case.reloads:
            for _ in range(_RELOADS):
                reload(server, force=True)
            time.sleep(_SETTLED)
            _ask_all(server, directory)
            yield "reloaded", server.pss_kib()


def _ask_all(server: Server, directory: Path) -> None:
    """Ask for every entry once, at random, from as many sockets as reach every worker."""
    workload = write_workload(SCAN, server.dataset, directory)
    dnsperf.run(server, workload, _LONGEST, ("-T", "2", "-c", "32", "-q", "100"))
    workload.path.unlink()
    time.sleep(_REST)


def reload(server: Server, *, force: bool = False) -> LoadResult:
    """Have ours reload; ends when the outcome is there."""
    reply = ask_reload(str(server.directory / "state" / "control.sock"), ReloadRequest("reload", force))
    result = msgspec.json.decode(reply, type=LoadResult)
    if result.result not in ("loaded", "unchanged"):
        raise SystemExit(f"reload: {result.text}")
    return result
