"""BIND, Knot DNS, NSD, the kernel's floor, and ours, as processes on the same data.

    with running("nsd", dataset) as server:
        before = server.cpu_seconds()

Each is set up for one core as its manual says, with its defaults otherwise: no recursion, no log of queries, no
journal. Ours has everything on: telemetry, `watch`, a state directory. All listen on a free port of 127.0.0.1, over UDP
and TCP. `before` is ours from another checkout.
"""

import contextlib
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import processes
from bench.data import Dataset, address, host_name, reverse_name
from bench.floor import build_floor
from bench.programs import ROOT, program
from bench.tables import OURS

# A server and its clients get a core each, as far as this process may use two.
SERVER_CPU, CLIENT_CPU = (*sorted(os.sched_getaffinity(0)), *os.sched_getaffinity(0))[:2]
PEERS = ("knot", "nsd", "bind")
BEFORE = "before"
_OF_OURS = (OURS, BEFORE)
PROGRAMS = {"knot": "knotd", "nsd": "nsd", "bind": "named", "floor": "gcc"}  # what each needs beside ours


@dataclass
class Server:
    """A server that has been started; `await_answer` says when it is ready."""

    kind: str  # "ours", "before", "knot", "nsd", "bind", "floor"
    dataset: Dataset
    directory: Path  # its configuration, state and log
    port: int
    process: subprocess.Popen[bytes]
    started: float  # time.monotonic() right before the process was made
    telemetry_port: int = 0  # of ours; 0: none

    @property
    def pids(self) -> list[int]:
        """Its processes, the first one first."""
        return processes.tree(self.process.pid)

    @property
    def log(self) -> str:
        """The end of what it has printed."""
        return (self.directory / "log").read_text(errors="replace")[-2000:]

    def cpu_seconds(self) -> float:
        """CPU time of all its processes so far: user and system."""
        return processes.cpu_seconds(self.process.pid)

    def pss_kib(self) -> int:
        """Memory of all its processes, in KiB; of what several share each has its part."""
        return processes.pss_kib(self.process.pid)

    def await_answer(self, entry: int | None = None, wanted: bytes | None = None, seconds: float = 120.0) -> float:
        """Ask for an entry, the last one unless told otherwise, until the response has its name (or `wanted`).

        Returns:
            seconds from the start of the process.
        """
        asked = self.dataset.entries - 1 if entry is None else entry
        label = wanted or host_name(asked).split(".")[0].encode()
        expected = bytes((len(label),)) + label
        query = query_for(asked, self.dataset.family)
        deadline = time.monotonic() + seconds
        while expected not in (response := ask(self.port, query)) and self.kind != "floor":
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{self.kind}: no answer with {label!r} but {response!r}; its log ends:\n{self.log}")
            time.sleep(0.002)
        return time.monotonic() - self.started

    def stop(self) -> None:
        """End it: politely, then not."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Options:
    """How a server is to run."""

    workers: int = 1
    cpus: Sequence[int] | None = (SERVER_CPU,)  # which all its processes share; None: any
    telemetry: bool = True  # of ours
    settings: Mapping[str, object] = field(default_factory=dict)  # of ours: sections and settings beyond those set here
    before: Path = ROOT  # the checkout that `before` is of
    module: str = "blackhole_guard"  # of ours: what is run
    ports: tuple[int, int] | None = None  # of an earlier start: for DNS, for telemetry; None: free ones


@contextlib.contextmanager
def running(kind: str, dataset: Dataset, options: Options | None = None) -> Iterator[Server]:
    """Run a server in a directory of its own. The body begins when it answers right; it may not end before the body."""
    directory = Path(tempfile.mkdtemp(prefix=f"{kind}-"))
    try:
        server = start(kind, dataset, directory, options)
        try:
            server.await_answer()
            yield server
            if server.process.poll() is not None:
                raise SystemExit(f"{kind} ended with {server.process.returncode}; its log ends:\n{server.log}")
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory)


def start(kind: str, dataset: Dataset, directory: Path, options: Options | None = None) -> Server:
    """Start a server and do not wait for it.

    Args:
        directory: where it keeps its configuration and state; that of an earlier start makes it a restart.
    """
    wanted = options or Options()
    directory.mkdir(exist_ok=True)
    port, telemetry = wanted.ports or (free_port(), free_port() if kind in _OF_OURS and wanted.telemetry else 0)
    words = _configure(kind, dataset, directory, port, telemetry, wanted)
    pinned = [program("taskset"), "--cpu-list", ",".join(map(str, wanted.cpus))] if wanted.cpus is not None else []
    # Nothing is left when the measurement is killed: what `setpriv` says here outlives each exec.
    command = [program("setpriv"), "--pdeathsig", "TERM", *pinned, *words]
    variables = environment(kind, wanted)
    with (directory / "log").open("ab") as log:
        started = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory, env=variables
        )
    return Server(kind, dataset, directory, port, process, started, telemetry)


def _configure(kind: str, dataset: Dataset, directory: Path, port: int, telemetry: int, options: Options) -> list[str]:
    """Write the configuration and return the command line."""
    if kind in _OF_OURS:
        return _configure_ours(dataset, directory, port, telemetry, options)
    configure: dict[str, Callable[[Dataset, Path, int], list[str]]] = {
        "knot": _configure_knot,
        "nsd": _configure_nsd,
        "bind": _configure_bind,
        "floor": lambda _, directory, port: [str(build_floor(directory)), str(port)],
    }
    return configure[kind](dataset, directory, port)


def environment(kind: str, options: Options | None = None) -> dict[str, str]:
    """The environment that a server, or another command of ours, is started in."""
    if kind not in _OF_OURS:
        return dict(os.environ)
    tree = options.before if kind == BEFORE and options else ROOT
    # Compiled once, as pip compiles what it installs; not into the checkout, and not at each start.
    variables = os.environ | {"PYTHONPATH": str(tree), "PYTHONPYCACHEPREFIX": str(ROOT / ".cache" / "pycache")}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    return variables


def _configure_ours(dataset: Dataset, directory: Path, port: int, telemetry: int, options: Options) -> list[str]:
    settings: dict[str, object] = {
        "include": [f"{dataset.maps}/*.yaml"],
        **options.settings,
    }
    extra, shown = settings.pop("server", {}), settings.get("telemetry", {})
    assert isinstance(extra, dict) and isinstance(shown, dict)
    settings["telemetry"] = {**shown, **({"listen": [f"127.0.0.1:{telemetry}"]} if telemetry else {"enabled": False})}
    server = {"watch": True, **extra}
    server |= {"listen": [f"127.0.0.1:{port}"], "workers": options.workers, "state_dir": f"{directory}/state"}
    # JSON is YAML, and needs no package.
    (directory / "config.yaml").write_text(json.dumps({"server": server, **settings}))
    return [sys.executable, "-m", options.module, "serve", "--config", str(directory / "config.yaml")]


def _configure_knot(dataset: Dataset, directory: Path, port: int) -> list[str]:
    (directory / "knot.conf").write_text(
        f"server:\n  rundir: {directory}\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n"
        f"  background-workers: 1\nlog:\n  - target: stderr\n    any: warning\ndatabase:\n  storage: {directory}\n"
        "template:\n  - id: default\n    zonefile-sync: -1\n    zonefile-load: whole\n    journal-content: none\n"
        f"    semantic-checks: off\nzone:\n  - domain: {dataset.apex}\n    file: {dataset.zone_file}\n"
    )
    return [program("knotd"), "-c", str(directory / "knot.conf")]


def _configure_nsd(dataset: Dataset, directory: Path, port: int) -> list[str]:
    # A rate limit is Debian's default, and a load generator is all that it would meet.
    (directory / "nsd.conf").write_text(
        f'server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n  rrl-ratelimit: 0\n  username: ""\n'
        f'  database: ""\n  pidfile: ""\n  zonesdir: {directory}\n  xfrdir: {directory}\n'
        f"  xfrdfile: {directory}/xfrd.state\n  zonelistfile: {directory}/zone.list\n"
        f"remote-control:\n  control-enable: no\n"
        f"zone:\n  name: {dataset.apex}\n  zonefile: {dataset.zone_file}\n"
    )
    return [program("nsd"), "-d", "-c", str(directory / "nsd.conf")]


def _configure_bind(dataset: Dataset, directory: Path, port: int) -> list[str]:
    (directory / "named.conf").write_text(
        f'options {{ directory "{directory}"; pid-file none; session-keyfile none;'
        f" listen-on port {port} {{ 127.0.0.1; }};"
        " listen-on-v6 { none; }; recursion no; allow-transfer { none; }; notify no; querylog no; };\ncontrols { };\n"
        f'zone "{dataset.apex}" {{ type primary; file "{dataset.zone_file}"; }};\n'
    )
    return [program("named"), "-g", "-n", "1", "-c", str(directory / "named.conf")]


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens over UDP or TCP, below those that the kernel gives to clients."""
    for _ in range(100):
        port = random.randint(10240, 32000)
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(socket.AF_INET, kind) as sock:
                    sock.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
    raise SystemExit("no port of 127.0.0.1 is free")


def query_for(entry: int, family: int = 4) -> bytes:
    """A query, without EDNS, for the PTR of an entry."""
    labels = reverse_name(address(entry, family)).split(".")
    name = b"".join(bytes((len(label),)) + label.encode() for label in labels)
    return struct.pack("!6H", 0x1234, 0, 1, 0, 0, 0) + name + b"\0\0\x0c\0\1"


def ask(port: int, query: bytes, seconds: float = 0.2) -> bytes:
    """The response to one query over UDP; empty: there was none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(seconds)
        try:
            sock.connect(("127.0.0.1", port))
            sock.send(query)
            return sock.recv(4096)
        except OSError:
            return b""
