"""dnsperf, pinned to the client's core: run against a server, and its report is read and held against the queries.

dnsperf(1), version 2.10. `-q` is what is outstanding in all, shared by the threads; a thread's connections take turns.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.peers import CLIENT_CPU, Server
from bench.programs import program
from bench.queries import Workload

# What keeps every server busiest on one core of the client, 92 to 98 % of its own (with one thread 85 to 92 %). More
# outstanding overflows the receive buffers that clients have by default.
SATURATING = ("-T", "2", "-c", "2", "-q", "200")


class WrongAnswers(Exception):
    """A server answered something else than what the queries ask for: its speed is none."""


@dataclass(frozen=True)
class Report:
    """What dnsperf says at the end of a run."""

    sent: int
    completed: int
    lost: int
    seconds: float
    response_octets: int  # on average
    rcodes: dict[str, int]

    @property
    def qps(self) -> float:
        return self.completed / self.seconds


@dataclass(frozen=True)
class Run:
    """A run against one server."""

    report: Report
    cpu: float  # seconds that the server's processes used meanwhile

    @property
    def cpu_us(self) -> float:
        """Microseconds of the server's CPU time a query that was answered."""
        return self.cpu / self.report.completed * 1e6

    @property
    def busy(self) -> float:
        """The share of the time that the server was on a CPU; 1: all of one core."""
        return self.cpu / self.report.seconds


def run(server: Server, workload: Workload, seconds: float, arguments: Sequence[str] = SATURATING) -> Run:
    """Send a workload to a server for some seconds.

    Raises:
        WrongAnswers: the RCODEs are not those of the queries that were sent.
    """
    report, cpu = _measure(server, workload, seconds, arguments)
    if server.kind != "floor":
        check(server.kind, workload, report)
    return Run(report, cpu)


def command(port: int, workload: Workload, seconds: float, arguments: Sequence[str]) -> list[str]:
    """The command line; a query that is not answered within a second is lost."""
    return [
        *(program("dnsperf"), "-s", "127.0.0.1", "-p", str(port), "-l", f"{seconds:g}", "-t", "1", "-W"),
        *(*workload.arguments(), *arguments),
    ]


def _measure(server: Server, workload: Workload, seconds: float, arguments: Sequence[str]) -> tuple[Report, float]:
    before = server.cpu_seconds()
    with asking(server, workload, seconds, arguments) as client:
        report = client.finish()
        cpu = server.cpu_seconds() - before
    return report, cpu


@contextmanager
def asking(
    server: Server, workload: Workload, seconds: float, arguments: Sequence[str] = SATURATING
) -> Iterator["Client"]:
    """Send a workload to a server for some seconds, in the background."""
    pinned = [program("taskset"), "--cpu-list", str(CLIENT_CPU)]
    words = [*pinned, *command(server.port, workload, seconds, arguments)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield Client(process, server.kind, seconds + 60)
    finally:
        process.kill()  # of one that has ended, nothing
        process.communicate()


@dataclass(frozen=True)
class Client:
    """dnsperf, while it runs."""

    process: subprocess.Popen[str]
    server: str
    patience: float  # seconds

    def finish(self) -> Report:
        """Wait for its end; gives what it has printed."""
        out, err = self.process.communicate(timeout=self.patience)
        if self.process.returncode:
            raise SystemExit(f"dnsperf against {self.server}: {out}{err}")
        return parse_report(out)


def parse_report(text: str) -> Report:
    """What a run has printed.

    Raises:
        ValueError: that is no report, or nothing was answered.
    """
    rcodes = {
        name: int(count) for name, count in re.findall(r"([A-Z]\w+) (\d+) \([\d.]+%\)", _line(text, "Response codes"))
    }
    completed = int(_line(text, "Queries completed").split()[0])
    if not completed:
        raise ValueError(f"nothing was answered:\n{text}")
    return Report(
        sent=int(_line(text, "Queries sent")),
        completed=completed,
        lost=int(_line(text, "Queries lost").split()[0]),
        seconds=float(_line(text, "Run time (s)")),
        response_octets=int(_line(text, "Average packet size").rsplit(" ", 1)[1]),
        rcodes=rcodes,
    )


def _line(text: str, label: str) -> str:
    found = re.search(rf"^ *{re.escape(label)}: *(.*)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"no line of dnsperf says {label!r}:\n{text}")
    return found[1].strip()


def check(kind: str, workload: Workload, report: Report) -> None:
    """Hold the RCODEs against the queries, which dnsperf takes in the file's order; only what is lost may be missing.

    Raises:
        WrongAnswers: they differ.
    """
    there = workload.expected(report.sent)
    expected = {"NOERROR": there, "NXDOMAIN": report.sent - there}
    unanswered = report.sent - report.completed
    for rcode in expected.keys() | report.rcodes.keys():
        wanted, seen = expected.get(rcode, 0), report.rcodes.get(rcode, 0)
        if not wanted - unanswered <= seen <= wanted:
            raise WrongAnswers(f"{kind}, {workload.name}: {seen} times {rcode}, {wanted} expected of {report}")
