"""A client in C (eager.c) that is never the limit, where dnsperf is: it takes twice as many queries from one core.

dnsperf sends each query and takes each response by a call of its own, and with 200 outstanding its four threads have
one core full at about 180,000 a second, whatever the server could do. What a server has left then it spends on smaller
batches, so that its core looks busy. This client has 340,000 a second with the echo loop.
"""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import dnsperf
from bench.floor import FLOOR, build
from bench.peers import CLIENT_CPU, Server
from bench.programs import program
from bench.queries import Workload


@contextlib.contextmanager
def client() -> Iterator[Path]:
    """The compiled client, as long as the body runs."""
    with tempfile.TemporaryDirectory(prefix="eager-") as directory:
        yield build(Path(__file__).parent / "eager.c", Path(directory))


@contextlib.contextmanager
def asking(made: Path, server: Server, workload: Workload, seconds: float) -> Iterator["Client"]:
    """Send a workload to a server for some seconds, in the background."""
    words = [str(made), str(server.port), str(workload.path), f"{seconds:g}", str(workload.most)]
    command = [program("taskset"), "--cpu-list", str(CLIENT_CPU), *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield Client(process, server, workload)
    finally:
        process.kill()  # of one that has ended, nothing
        process.communicate()


class Client:
    """The client, while it runs."""

    def __init__(self, process: subprocess.Popen[str], server: Server, workload: Workload) -> None:
        self._process = process
        self._server = server
        self._workload = workload

    def finish(self) -> dnsperf.Report:
        """Wait for its end; gives what it has seen.

        Raises:
            WrongAnswers: the RCODEs are not those of the queries that were sent.
        """
        out, err = self._process.communicate()
        if self._process.returncode:
            raise SystemExit(f"the eager client against {self._server.kind}: {out}{err}")
        seconds, *words = out.split()
        sent, there, missing, others, octets = map(int, words)
        completed = there + missing + others
        if not completed:
            raise SystemExit(f"{self._server.kind} answered nothing")
        rcodes = {"NOERROR": there, "NXDOMAIN": missing, "other": others}
        report = dnsperf.Report(sent, completed, sent - completed, float(seconds), octets // completed, rcodes)
        if self._server.kind != FLOOR:
            dnsperf.check(self._server.kind, self._workload, report)
        return report


def run(made: Path, server: Server, workload: Workload, seconds: float) -> dnsperf.Run:
    """Send a workload from start to end."""
    before = server.cpu_seconds()
    with asking(made, server, workload, seconds) as client:
        report = client.finish()
    return dnsperf.Run(report, server.cpu_seconds() - before)
