"""Starts: seconds from the making of the process to the first right answer, cold and where nothing has changed.

Cold is a start without a state directory: ours reads YAML, a peer the same records from a master file. A peer keeps
nothing that would make its second start quicker. Each start finds its files in the page cache, and has one core.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import peers
from bench.data import Dataset, write_dataset
from bench.peers import Options
from bench.tables import OURS, Column, Table
from bench.throughput import rotated

COLUMNS = (Column("seconds", "s to the first answer", 2, is_compared=True),)
COLD, AGAIN, LIGHT = "cold", "unchanged", "cold, telemetry off"


@dataclass(frozen=True)
class Plan:
    """What to start, and how often."""

    servers: Sequence[str] = (OURS, *peers.PEERS)
    sizes: Sequence[int] = (10_000, 1_000_000)  # PTR records
    rounds: int = 5
    before: Path | None = None


def measure(plan: Plan) -> Table:
    """Measure and return the table."""
    table = Table("starts", "Time to the first right answer", "PTRs", "server", COLUMNS, [])
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for size in plan.sizes:
            dataset = write_dataset(Path(name) / f"{size}", size)
            for kind in plan.servers:
                first = Path(name) / f"first-{kind}"  # what is compiled at a first start is compiled after it
                _start(kind, dataset, first, Options(before=plan.before or Options.before))
                shutil.rmtree(first)
            for round_ in range(plan.rounds):
                for kind in rotated(plan.servers, round_):
                    _add(table, kind, dataset, Path(name) / kind, plan.before)
    order = table.groups()
    table.samples = dict(sorted(table.samples.items(), key=lambda row: order.index(row[0][0])))
    return table


def _add(table: Table, kind: str, dataset: Dataset, directory: Path, before: Path | None) -> None:
    group, options = f"{dataset.entries:,}", Options(before=before or Options.before)
    seconds, ports = _start(kind, dataset, directory, options)
    table.add(f"{group}, {COLD}", kind, seconds=seconds)
    if kind in (OURS, peers.BEFORE):
        # Other ports would be other settings, and settings are part of what may have changed.
        seconds, _ = _start(kind, dataset, directory, replace(options, ports=ports))
        table.add(f"{group}, {AGAIN}", kind, seconds=seconds)
        shutil.rmtree(directory)
        seconds, _ = _start(kind, dataset, directory, replace(options, telemetry=False))
        table.add(f"{group}, {LIGHT}", kind, seconds=seconds)
    shutil.rmtree(directory)


def _start(kind: str, dataset: Dataset, directory: Path, options: Options) -> tuple[float, tuple[int, int]]:
    """Start a server, wait for its first right answer and end it; returns the seconds between, and its ports."""
    server = peers.start(kind, dataset, directory, options)
    try:
        return server.await_answer(), (server.port, server.telemetry_port)
    finally:
        server.stop()
