"""dnstap of BIND and Unbound: what of their queries we count, what that costs, and that they never wait for us.

The resolvers answer PTR queries for private addresses out of their built-in zones: each frame has a reserved name, and
those are the dearest. BIND's own figures of frames written and dropped come from its statistics channel.

`trouble`: both resolvers at a steady rate while the receiver is well, is stopped, dies, and has evil producers beside
them; against a run without dnstap in the same place of the same order.
"""

import contextlib
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import dnsperf, peers, processes
from bench.data import reverse_name, write_dataset
from bench.peers import CLIENT_CPU, Options, Server, free_port
from bench.programs import program
from bench.queries import Workload, render_query, write_messages
from bench.tables import OURS, Column, Table

_NAMES = 100_000
_QUEUE = "fstrm-set-input-queue-size 16384;"  # as docs/dnstap.md says: BIND's own 512 are 25 ms of such a rate
_FLUSH = 3.0  # seconds until the last frames have come: BIND hands them on once a second
_PATIENCE = 30.0  # seconds for a resolver to come (again)

COLUMNS = (
    Column("completed", "queries completed"),
    Column("counted", "CLIENT_QUERY counted"),
    Column("share", "counted, %", 3, scale=100),
    Column("dropped", "BIND's own drops"),
    Column("busy", "receiver, % of a core", 1, scale=100),
    Column("us", "us a frame", 1),
    Column("rss", "receiver's memory, MiB", 1),
)
TROUBLE = (
    Column("qps", "queries/s", 0),
    Column("change", "to that without dnstap, %", 2, scale=100),
    Column("lost", "lost, %", 3, scale=100),
    Column("rss", "receiver's memory, MiB", 1),
    Column("reconnect", "back after, s", 1),
)


@dataclass(frozen=True)
class Plan:
    """How long and how fast to ask."""

    rate: int = 20_000  # queries a second
    seconds: float = 60.0


@dataclass
class Receiver:
    """A server of ours that takes dnstap."""

    server: Server
    socket: Path
    back: float = 0.0  # seconds from its death until all producers were there again

    @property
    def pid(self) -> int:
        """The observer: of all its processes the youngest that has the socket, besides the supervisor."""
        inode = next(line.split()[6] for line in _unix_sockets() if line.endswith(str(self.socket)))
        holders = [pid for pid in self.server.pids[1:] if f"socket:[{inode}]" in _descriptors(pid)]
        if not holders:
            raise LookupError("no observer is there")
        return max(holders)

    def metric(self, name: str, labels: str = "") -> float:
        """One sample."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.telemetry_port}/metrics", timeout=10) as page:
            found = re.search(rf"^blackhole_guard_{name}{re.escape(labels)} (\S+)$", page.read().decode(), re.M)
        return float(found[1]) if found else 0.0

    def resident(self) -> float:
        """The observer's memory, in MiB."""
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0

    def producers(self) -> float:
        with contextlib.suppress(OSError):
            return self.metric("dnstap_producers")
        return 0.0


def _unix_sockets() -> list[str]:
    return Path("/proc/net/unix").read_text().splitlines()


def _descriptors(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found


@contextlib.contextmanager
def _receiving(directory: Path) -> Iterator[Receiver]:
    dataset = write_dataset(directory / "data", 1000)
    path = directory / "d.sock"
    options = Options(cpus=None, settings={"leaks": {"dnstap": {"socket": str(path)}}})
    with peers.running(OURS, dataset, options) as server:
        receiver = Receiver(server, path)
        _wait(lambda: receiver.metric("start_time_seconds") > 0)
        yield receiver


@contextlib.contextmanager
def _bind(directory: Path, path: Path | None) -> Iterator[tuple[int, int]]:
    """BIND, sending dnstap to `path`; its port and that of its statistics."""
    port, statistics = free_port(), free_port()
    told = f'dnstap {{ client query; resolver; }}; dnstap-output unix "{path}"; {_QUEUE}' if path else ""
    (directory / "named.conf").write_text(
        f'options {{ directory "{directory}"; pid-file none; session-keyfile "{directory}/session.key"; recursion yes;'
        f" listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; dnssec-validation no; {told} }};"
        f"statistics-channels {{ inet 127.0.0.1 port {statistics} allow {{ 127.0.0.1; }}; }};\ncontrols {{ }};\n"
    )
    with _process([program("named"), "-g", "-n", "1", "-c", str(directory / "named.conf")], directory / "named.log"):
        _await_answer(port)
        yield port, statistics


@contextlib.contextmanager
def _unbound(directory: Path, path: Path | None) -> Iterator[int]:
    """Unbound, sending dnstap to `path`; its port."""
    port = free_port()
    told = (
        f'dnstap:\n  dnstap-enable: yes\n  dnstap-socket-path: "{path}"\n  dnstap-log-client-query-messages: yes\n'
        "  dnstap-log-resolver-query-messages: yes\n"
        if path
        else ""
    )
    (directory / "unbound.conf").write_text(
        f'server:\n  interface: 127.0.0.1@{port}\n  num-threads: 1\n  chroot: ""\n  username: ""\n  pidfile: ""\n'
        f'  directory: {directory}\n  use-syslog: no\n  logfile: ""\n{told}'
    )
    with _process([program("unbound"), "-d", "-c", str(directory / "unbound.conf")], directory / "unbound.log"):
        _await_answer(port)
        yield port


@contextlib.contextmanager
def _process(words: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [program("setpriv"), "--pdeathsig", "KILL", *words], stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _await_answer(port: int) -> None:
    _wait(lambda: bool(peers.ask(port, peers.query_for(0))))


def _wait(condition: Callable[[], bool], seconds: float = _PATIENCE) -> float:
    """Wait; returns how long that took."""
    began = time.monotonic()
    while True:
        with contextlib.suppress(OSError):
            if condition():
                return time.monotonic() - began
        if time.monotonic() - began > seconds:
            raise SystemExit(f"nothing came in {seconds:.0f} seconds")
        time.sleep(0.05)


def _write_queries(directory: Path) -> Workload:
    chance = random.Random(1)
    addresses = [bytes((10, *chance.randbytes(3))) for _ in range(_NAMES)]
    write_messages(directory / "queries", (render_query(reverse_name(each)) for each in addresses))
    return Workload("reserved", directory / "queries", bytes(_NAMES))


def _ask(port: int, workload: Workload, plan: Plan) -> dnsperf.Report:
    """Ask at a steady rate, from the client's core."""
    pinned = [program("taskset"), "--cpu-list", str(CLIENT_CPU)]
    words = [*pinned, *dnsperf.command(port, workload, plan.seconds, ["-Q", str(plan.rate), "-c", "8", "-q", "500"])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=plan.seconds + 60, check=True)
    return dnsperf.parse_report(done.stdout)


def _statistics(port: int) -> dict[str, int]:
    """What BIND says of its own frames: written and dropped."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/v1/server", timeout=10) as page:
        text = json.dumps(json.load(page))
    return {name: int(number) for name, number in re.findall(r'"DNSTAP(success|dropped)": (\d+)', text)}


def measure(plan: Plan) -> Table:
    """Count what BIND sends at a steady rate."""
    table = Table("dnstap", "dnstap from BIND at a steady rate", "queries/s", "server", COLUMNS)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        workload = _write_queries(directory)
        with _receiving(directory) as receiver, _bind(directory, receiver.socket) as (port, statistics):
            _wait(lambda: receiver.producers() == 1)
            kind = '{type="client_query"}'
            time.sleep(_FLUSH)
            before, cpu = receiver.metric("dnstap_frames_total", kind), processes.usage_of(receiver.pid).total
            report = _ask(port, workload, plan)
            used = processes.usage_of(receiver.pid).total - cpu
            time.sleep(_FLUSH)
            counted = receiver.metric("dnstap_frames_total", kind) - before
            figures = {
                "completed": report.completed,
                "counted": counted,
                "share": counted / report.completed,
                "dropped": _statistics(statistics).get("dropped", 0),
                "busy": used / report.seconds,
                "us": used / counted * 1e6,
                "rss": receiver.resident(),
            }
            table.add(f"{plan.rate:,}", OURS, **figures)
    return table


def measure_trouble(plan: Plan) -> Table:
    """Ask both resolvers while their receiver is in trouble."""
    table = Table("dnstap-trouble", "Resolvers whose dnstap receiver is in trouble", "receiver", "resolver", TROUBLE)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        workload = _write_queries(directory)
        bare = _run_bare(directory, workload, plan)
        for resolver, report in bare.items():
            table.add("none", resolver, qps=report.qps, lost=report.lost / report.sent)
        with _receiving(directory) as receiver:
            _run_troubled(table, bare, directory, workload, plan, receiver)
    return table


def _run_bare(directory: Path, workload: Workload, plan: Plan) -> dict[str, dnsperf.Report]:
    with _bind(directory, None) as (port, _), _unbound(directory, None) as other:
        return _ask_both({"bind": port, "unbound": other}, workload, plan)


def _run_troubled(
    table: Table,
    bare: dict[str, dnsperf.Report],
    directory: Path,
    workload: Workload,
    plan: Plan,
    receiver: Receiver,
) -> None:
    with _bind(directory, receiver.socket) as (port, _), _unbound(directory, receiver.socket) as other:
        ports = {"bind": port, "unbound": other}
        _wait(lambda: receiver.producers() == 2)
        for trouble, cause in _TROUBLES.items():
            with cause(receiver):
                reports = _ask_both(ports, workload, plan)
            back = max(receiver.back, _wait(lambda: receiver.producers() == 2))
            receiver.back = 0.0
            for resolver, report in reports.items():
                change = report.qps / bare[resolver].qps - 1
                figures = {"qps": report.qps, "change": change, "lost": report.lost / report.sent}
                table.add(trouble, resolver, rss=receiver.resident(), reconnect=back, **figures)


def _ask_both(ports: dict[str, int], workload: Workload, plan: Plan) -> dict[str, dnsperf.Report]:
    reports: dict[str, dnsperf.Report] = {}

    def run(resolver: str, port: int) -> None:
        reports[resolver] = _ask(port, workload, plan)

    threads = [threading.Thread(target=run, args=pair) for pair in ports.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return reports


@contextlib.contextmanager
def _well(receiver: Receiver) -> Iterator[None]:
    yield


@contextlib.contextmanager
def _stopped(receiver: Receiver) -> Iterator[None]:
    pid = receiver.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def _killed(receiver: Receiver) -> Iterator[None]:
    """Dies soon, and is started anew; how long the resolvers take to be back counts from its death."""

    def kill() -> None:
        os.kill(receiver.pid, signal.SIGKILL)
        receiver.back = _wait(lambda: receiver.producers() == 2)

    timer = threading.Timer(2.0, kill)
    timer.start()
    try:
        yield
    finally:
        timer.join()


@contextlib.contextmanager
def _beset(receiver: Receiver) -> Iterator[None]:
    """Evil producers: endless frames, an octet a second, another content type, a thousand connections."""
    done = threading.Event()
    threads = [
        threading.Thread(target=_torment, args=(receiver.socket, octets, done))
        for octets in (
            _control(4, _DNSTAP) + _control(2, _DNSTAP) + b"\xff\xff\xff\xff",
            _control(4, b"protobuf:other"),
            _control(4, _DNSTAP) + _control(2, _DNSTAP) + struct.pack("!I", 128 * 1024),
            b"",
        )
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


_DNSTAP = b"protobuf:dnstap.Dnstap"
_TROUBLES = {
    "well": _well,
    "stopped": _stopped,
    "killed and started anew": _killed,
    "with evil producers": _beset,
}


def _control(kind: int, content_type: bytes) -> bytes:
    payload = struct.pack("!III", kind, 1, len(content_type)) + content_type
    return struct.pack("!II", 0, len(payload)) + payload


def _torment(path: Path, octets: bytes, done: threading.Event) -> None:
    """Connect, send, then an octet a second; a thousand times in all, or until it is over."""
    for _ in range(1000):
        if done.is_set():
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(2)
            sock.connect(str(path))
            sock.sendall(octets)
            if octets.endswith(struct.pack("!I", 128 * 1024)):
                while not done.wait(1.0):
                    sock.sendall(b"x")
            elif octets:
                sock.recv(100)
            done.wait(0.005)
