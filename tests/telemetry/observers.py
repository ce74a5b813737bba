"""A running observer with pages to fill, and clients that speak raw HTTP to it."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from peer_programs import program

from blackhole_guard.answering.tally import FAMILIES
from blackhole_guard.counters.control import Control
from blackhole_guard.counters.meter import PageMeter
from blackhole_guard.counters.pages import Pages
from blackhole_guard.server.roles import COUNTERS, GAUGES
from blackhole_guard.telemetry.catalogue import make_layout
from blackhole_guard.telemetry.logs import open_log
from blackhole_guard.telemetry.metrics import Build, Facts, Served
from blackhole_guard.telemetry.observer import ObserverContext, run_observer


@dataclass
class Zone:
    label: str
    serial: int = 1
    records: int = 0
    mapped: bool = True


@dataclass
class Rig:
    """Pages for two workers and the supervisor, as they are before a fork."""

    zones: list[Zone] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layout = make_layout(FAMILIES, COUNTERS, GAUGES)
        self.pages = Pages(self.layout, 3)
        self.control = Control(2)
        self.meters = [PageMeter(self.pages.page(index), self.layout) for index in range(3)]
        self.build = Build("0.1.0", "3.11.7", "2025-06-16")
        self.facts = Facts(self.pages, self.control, self.build, self.served)

    def served(self) -> Served | None:
        return Served("3c6ef372", self.zones) if self.control.generation else None

    def start_workers(self) -> None:
        """What the supervisor and the workers say of themselves when all is well."""
        self.control.started = time.time()
        self.control.note_reload("loaded", time.time())
        self.control.generation = 1
        for slot in range(2):
            self.control.set_alive(slot, True)
            self.control.beat(slot, time.monotonic())


class Observer:
    """An observer in a process of its own."""

    def __init__(self, rig: Rig, facts: Facts | None = None, listen: str = "127.0.0.1", api=None) -> None:
        family = socket.AF_INET6 if ":" in listen else socket.AF_INET
        self.sock = socket.socket(family)
        self.sock.bind((listen, 0))
        self.sock.listen(64)
        self.address = self.sock.getsockname()[:2]
        self.errors, writer = os.pipe()
        self.facts = facts or rig.facts
        self.api = api
        self._stderr = os.fdopen(writer, "w")
        self.start()

    def start(self) -> None:
        self.process = os.fork()
        if self.process == 0:
            try:
                log = open_log("journald", "info", self._stderr)
                os._exit(run_observer(ObserverContext((self.sock,), self.facts, log, (), self.api)))
            except BaseException as error:  # noqa: BLE001  # a child must not come back as a second test run
                print(error, file=sys.stderr)
                os._exit(70)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; returns its exit code, or the signal that ended it as a negative number."""
        if not self.process:
            return 0
        os.kill(self.process, number)
        _, status = os.waitpid(self.process, 0)
        self.process = 0
        return os.waitstatus_to_exitcode(status)

    def log(self) -> str:
        os.set_blocking(self.errors, False)
        try:
            return os.read(self.errors, 1 << 20).decode()
        except BlockingIOError:
            return ""

    def resident(self) -> int:
        """Octets of memory that it has. Shared ones count: a fork's become its own one by one, whatever it does."""
        text = Path(f"/proc/{self.process}/smaps_rollup").read_text()
        return 1024 * sum(int(match) for match in re.findall(r"^Rss: +(\d+) kB", text, re.M))

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process}/fd"))

    def __enter__(self) -> "Observer":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop(signal.SIGKILL)
        self._stderr.close()
        os.close(self.errors)
        self.sock.close()


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def connect(address: tuple[str, int], source: str = "") -> socket.socket:
    return socket.create_connection(address, timeout=20, source_address=(source, 0) if source else None)


def read_all(sock: socket.socket) -> bytes:
    """All octets until the other side closes; a reset counts as that."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while chunk := sock.recv(1 << 16):
            data += chunk
    return data


def parse_response(data: bytes) -> Response:
    head, _, body = data.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    assert status.startswith("HTTP/1."), data[:100]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in fields)}
    return Response(int(status.split()[1]), headers, body)


def exchange(address: tuple[str, int], octets: bytes) -> bytes:
    """Send octets, and read until the other side closes."""
    with connect(address) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(octets)
        return read_all(sock)


def get(address: tuple[str, int], path: str = "/metrics", method: str = "GET", **headers: str) -> Response:
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    response = parse_response(exchange(address, f"{method} {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode()))
    if method == "GET":
        assert len(response.body) == int(response.headers["content-length"])
    return response


def check_metrics(text: str) -> str:
    """What promtool has to say about an exposition."""
    run = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text.encode(), capture_output=True, timeout=30
    )
    return (run.stdout + run.stderr).decode()
