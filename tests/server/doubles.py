"""Stand-ins for what a worker is handed, clients over real sockets, and network namespaces of one's own."""

import asyncio
import ctypes
import multiprocessing
import os
import socket
import subprocess
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from blackhole_guard.answering.batch import Batch
from blackhole_guard.config.settings import TcpSettings
from blackhole_guard.server import roles
from blackhole_guard.server.direct_loop import DirectLoop

QUERY = bytes.fromhex("abcd 0100 0001 0000 0000 0000") + b"\x013\x010\x010\x0210\x07in-addr\x04arpa\0\0\x0c\0\x01"
FORK = multiprocessing.get_context("fork")
CLONE_NEWNET = 0x40000000


def response_to(query: bytes) -> bytes:
    """What EchoResponder answers: the same with QR set."""
    return query[:2] + bytes((query[2] | 0x80,)) + query[3:]


def run_in_worker_loop(coroutine: Coroutine[Any, Any, None]) -> None:
    """As asyncio.run, in the kind of event loop that workers have."""
    with asyncio.Runner(loop_factory=DirectLoop) as runner:
        runner.run(coroutine)


class EchoResponder:
    """Answers with QR set; nothing to QR=1; a message with BOOM in it raises, one with LARGE gets 60,000 octets."""

    def __init__(self, **limits: float) -> None:
        self.tcp_limits = TcpSettings(**limits)
        self.seen: list[tuple[bytes, bytes, roles.Transport]] = []
        self.refreshed = 0
        self.folded: list[float] = []
        self.stale_snapshot = False  # makes refresh() raise
        self.proxies: set[bytes] = set()
        self.settled: Callable[[], object] = lambda: None

    def respond(self, octets: bytes, source: bytes, transport: roles.Transport) -> bytes | None:
        self.seen.append((octets, source, transport))
        if octets[2] & 0x80:
            return None
        if b"BOOM" in octets:
            raise RuntimeError("boom")
        response = response_to(octets)
        return response.ljust(60_000, b"x") if b"LARGE" in octets else response

    def respond_batch(self, batch: Batch) -> None:
        for number, size in enumerate(batch.sizes):
            silent = size < 0
            batch.put(
                None if silent else self.respond(batch.message(number), batch.source(number), roles.Transport.UDP)
            )

    def settle(self) -> None:
        self.settled()

    def is_proxy(self, source: bytes) -> bool:
        return source in self.proxies

    def refresh(self) -> None:
        self.refreshed += 1
        if self.stale_snapshot:
            raise OSError("no snapshot")

    def fold(self, now: float) -> None:
        self.folded.append(now)


class RecordingMeter:
    """Keeps what is counted, and knows no name that is not in the closed set."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.gauges: dict[str, int] = {}
        self.observed: list[float] = []

    def add(self, name: str, reason: str = "", n: int = 1) -> None:
        assert reason in (roles.COUNTERS[name] or ("",)), (name, reason)
        self.counts[name, reason] += n

    def set(self, name: str, value: int) -> None:
        assert name in roles.GAUGES, name
        self.gauges[name] = value

    def observe(self, seconds: float) -> None:
        self.observed.append(seconds)


class RecordingLog:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    def warning(self, event: str, **fields: object) -> None:
        self.lines.append((event, fields))


async def receive(sock: socket.socket, seconds: float = 2.0) -> bytes | None:
    """Wait for one datagram; None: there was none in time."""
    try:
        async with asyncio.timeout(seconds):
            return (await asyncio.get_running_loop().sock_recvfrom(sock, 65536))[0]
    except TimeoutError:
        return None


def udp_client(bind: str | None = None, port: int = 0, family: int = socket.AF_INET) -> socket.socket:
    """A client's socket that does not block."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    if bind is not None:
        sock.bind((bind, port))
    return sock


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Let the loop run until something holds."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "it never came to be"
        await asyncio.sleep(0.005)


def in_child(function: Callable[..., None], *arguments: object, seconds: float = 30.0) -> None:
    """Run a function in a forked process; its exception becomes ours."""
    here, there = FORK.Pipe(duplex=False)

    def run() -> None:
        try:
            function(*arguments)
        except BaseException:  # noqa: BLE001  # it is raised again on the other side
            there.send(traceback.format_exc())
            raise SystemExit(1) from None
        there.send(None)

    process = FORK.Process(target=run)
    process.start()
    there.close()
    try:
        assert here.poll(seconds), "the child hangs"
        failure = here.recv()
    finally:
        if not here.closed:
            here.close()
        process.join(5)
        if process.is_alive():
            process.kill()
    assert failure is None, failure


def in_namespace(function: Callable[..., None], *arguments: object, commands: tuple[str, ...] = ()) -> None:
    """Run a function in a process with a network namespace of its own. `lo` is up; `commands` are those of ip(8).

    Needs root, so its test is marked.
    """

    def run() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        for command in ("link set lo up", *commands):
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        function(*arguments)

    in_child(run)
