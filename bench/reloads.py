"""Reloads under load: how long until new answers are seen, what is lost, how late answers are meanwhile.

A steady client asks on its own core, and a reload changes 100 of the records by turns. What a reload takes is held
against `check` on the same files, which reads and judges them and writes nothing, beside the same load. All of ours,
the loader too, and `check` have the server's core; the client never rests, so the other one has no room for them.
"""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import peers, steady
from bench.data import Dataset, host_name, write_dataset, write_maps
from bench.memory import reload
from bench.peers import SERVER_CPU, Options, Server
from bench.programs import program
from bench.queries import Workload, write_workload
from bench.tables import OURS, Column, Table

COLUMNS = (
    Column("visible", "s to the new answers", 2),
    Column("check", "s of `check`", 2),
    Column("ratio", "of it", 2),
    Column("lost", "lost in all", of="sum"),
    Column("p99", "p99 meanwhile, us", 0, scale=1e6),
    Column("quiet", "p99 without, us", 0, scale=1e6),
    Column("longest", "longest of all, us", 0, scale=1e6, of="max"),
)
_CHANGED = 100
_BEFORE, _AFTER = 1.0, 1.0  # seconds of load before a reload, and after its end
_PER_ENTRY = 5e-6  # seconds of `check` beside a load: it shall end before the load does
_SLOWEST = 1.5  # times `check`: what a reload is given


@dataclass(frozen=True)
class Plan:
    """What to measure, and how often."""

    entries: int = 1_000_000
    rate: float = 10_000
    rounds: int = 20


def measure(plan: Plan) -> Table:
    """Measure and return the table; each round is a time without a reload, one with it, and a `check`."""
    note = f"Each reload changes {_CHANGED} records, at {plan.rate:,.0f} queries/s."
    table = Table("reloads", "Reloads under load", "PTRs", "server", COLUMNS, [note])
    with tempfile.TemporaryDirectory(prefix="bench-") as name, steady.client() as client:
        directory = Path(name)
        dataset = write_dataset(directory / "data", plan.entries)
        workload = write_workload("mixed", dataset, directory)
        with _changing(dataset) as change:
            options = Options(settings={"include": [f"{change.current}/*.yaml"], "server": {"watch": False}})
            with peers.running(OURS, dataset, options) as server:
                for _ in range(plan.rounds):
                    figures = _Round(client, server, workload, plan.rate, change).measure()
                    table.add(f"{plan.entries:,}", OURS, **figures)
    return table


class _Change:
    """Two sets of maps, and a link that leads to one of them by turns."""

    def __init__(self, dataset: Dataset, directory: Path) -> None:
        self.current = directory / "current"
        self._sides = (dataset.maps, directory / "maps")
        self._side = 0
        changed = range(0, dataset.entries, max(1, dataset.entries // _CHANGED))
        self.entry = changed[-1]
        write_maps(Dataset(directory, dataset.entries, dataset.family), frozenset(changed))
        self.current.symlink_to(self._sides[0])

    def turn(self) -> bytes:
        """Change sides; returns the label that the answer for `entry` has from then on, length octet and all."""
        self._side = 1 - self._side
        new = self.current.with_suffix(".new")
        new.symlink_to(self._sides[self._side])
        new.rename(self.current)
        label = host_name(self.entry, is_changed=bool(self._side)).split(".")[0].encode()
        return bytes((len(label),)) + label


@contextmanager
def _changing(dataset: Dataset) -> Iterator[_Change]:
    with tempfile.TemporaryDirectory(prefix="bench-maps-") as name:
        yield _Change(dataset, Path(name))


class _Round:
    """One reload, and what it is compared with."""

    def __init__(self, client: Path, server: Server, workload: Workload, rate: float, change: _Change) -> None:
        self._client, self._server, self._workload = client, server, workload
        self._rate, self._change = rate, change
        self._query = peers.query_for(change.entry, server.dataset.family)

    def measure(self) -> dict[str, float]:
        check = self._time_check(_BEFORE + self._server.dataset.entries * _PER_ENTRY)
        seconds = _BEFORE + _SLOWEST * check + _AFTER
        quiet = steady.run(self._client, self._server, self._workload, self._rate, seconds)
        running = steady.start(self._client, self._server, self._workload, self._rate, seconds)
        time.sleep(_BEFORE)
        first = time.monotonic()
        visible = self._reload()
        last = time.monotonic() + _AFTER / 2
        load = steady.finish(running, self._client, self._server, self._workload, self._rate)
        p99, longest = load.percentiles([99, 100], first, last)
        figures = {"visible": visible, "check": check, "ratio": visible / check, "lost": load.report.lost}
        return {**figures, "p99": p99, "quiet": quiet.percentiles([99])[0], "longest": longest}

    def _reload(self) -> float:
        """Change the maps and reload; returns the seconds until an answer shows it."""
        wanted = self._change.turn()
        started = time.monotonic()
        loading = threading.Thread(target=reload, args=(self._server,))
        loading.start()
        while wanted not in peers.ask(self._server.port, self._query):
            if not loading.is_alive() and time.monotonic() > started + 60:
                raise SystemExit(f"the reload brought no new answer; the log ends:\n{self._server.log}")
            time.sleep(0.01)
        visible = time.monotonic() - started
        loading.join()
        return visible

    def _time_check(self, seconds: float) -> float:
        """Run `check` beside a load that lasts at least so long; returns the seconds that it took."""
        command = [program("taskset"), "--cpu-list", str(SERVER_CPU), sys.executable, "-m", "blackhole_guard", "check"]
        config = str(self._server.directory / "config.yaml")
        running = steady.start(self._client, self._server, self._workload, self._rate, seconds)
        started = time.monotonic()
        done = subprocess.run(
            [*command, "--config", config], capture_output=True, env=peers.environment(OURS), check=False
        )
        took = time.monotonic() - started
        steady.finish(running, self._client, self._server, self._workload, self._rate)
        if done.returncode:
            raise SystemExit(f"check: {done.stdout.decode()}{done.stderr.decode()}")
        return took
