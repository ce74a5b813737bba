"""Steady loads: a client in C (steady.c) that sends at a rate, whatever the server does, and times each response.

dnsperf waits for responses before it sends more than is outstanding, so a server that stops for a moment is asked less
meanwhile and looks better than its clients saw it. This client does not wait.
"""

import array
import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import dnsperf
from bench.floor import build
from bench.peers import CLIENT_CPU, Server
from bench.programs import program
from bench.queries import Workload

_LOST = 0xFFFFFFFF


@dataclass(frozen=True)
class Load:
    """What a steady load has seen."""

    start: float  # time.monotonic() when the first query was due; each next one was due 1 / rate later
    rate: float  # queries a second
    times: Sequence[int]  # nanoseconds from when a query was due to its response, in the order of sending; _LOST
    report: dnsperf.Report
    late: float  # seconds: the most by which a query was sent after it was due

    def percentiles(
        self, wanted: Sequence[float], first: float | None = None, last: float | None = None
    ) -> list[float]:
        """The response times, in seconds, that so many per cent of the queries did not exceed; a lost one exceeds all.

        Args:
            wanted: per cent; 100 is the longest.
            first, last: time.monotonic() between which the queries were due.
        """
        start = 0 if first is None else max(0, round((first - self.start) * self.rate))
        end = len(self.times) if last is None else max(0, round((last - self.start) * self.rate))
        return percentiles(self.times[start:end], wanted)


def percentiles(times: Sequence[int], wanted: Sequence[float]) -> list[float]:
    """The nearest-rank percentiles of times in ns, in seconds; that of a lost query is infinite."""
    ordered = sorted(times)
    ranks = [min(len(ordered) - 1, max(0, -int(-len(ordered) * per_cent // 100) - 1)) for per_cent in wanted]
    return [float("inf") if ordered[rank] == _LOST else ordered[rank] / 1e9 for rank in ranks]


@contextlib.contextmanager
def client() -> Iterator[Path]:
    """The compiled client, as long as the body runs."""
    with tempfile.TemporaryDirectory(prefix="steady-") as directory:
        yield build(Path(__file__).parent / "steady.c", Path(directory))


def start(made: Path, server: Server, workload: Workload, rate: float, seconds: float) -> subprocess.Popen[str]:
    """Start a load on the client's core; `finish` waits for its end."""
    words = [str(made), str(server.port), str(workload.path), f"{rate:g}", f"{seconds:g}", str(made.parent / "times")]
    return subprocess.Popen(
        [program("taskset"), "--cpu-list", str(CLIENT_CPU), *words], stdout=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str], made: Path, server: Server, workload: Workload, rate: float) -> Load:
    """Wait for a load's end.

    Raises:
        WrongAnswers: the RCODEs are not those of the queries.
    """
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the steady client against {server.kind} ended with {process.returncode}")
    words = output.split()
    sent, there, missing, others, late = map(int, words[1:])
    rcodes = {"NOERROR": there, "NXDOMAIN": missing, "other": others}
    answered = there + missing + others
    report = dnsperf.Report(sent, answered, sent - answered, sent / rate, 0, rcodes)
    if server.kind != "floor":
        dnsperf.check(server.kind, workload, report)
    times = array.array("I")
    times.frombytes((made.parent / "times").read_bytes())
    return Load(float(words[0]), rate, times, report, late / 1e9)


def run(made: Path, server: Server, workload: Workload, rate: float, seconds: float) -> Load:
    """Run a load from start to end."""
    return finish(start(made, server, workload, rate, seconds), made, server, workload, rate)
