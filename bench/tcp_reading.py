"""Ways for an event loop to serve TCP connections: CPU time a query, with next to nothing spent on the answers.

    python -m bench.tcp_reading --rounds 11 --seconds 1

`add_reader`: asyncio calls back for each connection that is ready. `epoll, once`: the connections are in an epoll(7)
instance of their own, whose descriptor asyncio watches, and one callback serves all that is ready. `epoll, again`: it
looks again before it returns, until nothing is ready; this is what the server does. 8 connections with 8 queries
outstanding in all: each query is an event, a recv(2) and a send(2).
"""

import argparse
import asyncio
import multiprocessing
import os
import socket
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

from bench import dnsperf, processes
from bench.data import write_dataset
from bench.peers import CLIENT_CPU, SERVER_CPU
from bench.programs import program
from bench.queries import Workload, write_workload
from blackhole_guard.config.settings import TcpSettings
from blackhole_guard.server.direct_loop import DirectLoop
from blackhole_guard.server.roles import Transport
from blackhole_guard.server.sockets import set_tcp_options
from blackhole_guard.server.tcp import TcpService
from blackhole_guard.server.tcp_connection import Connection

_ARGUMENTS = ("-m", "tcp", "-c", "8", "-q", "8")


class _AddReader(TcpService):
    def _open(self, sock: socket.socket, source: bytes, now: float) -> None:
        super()._open(sock, source, now)
        connection = self._connections[sock.fileno()]
        self._epoll.unregister(sock)
        self._loop.add_reader(sock, self._take_turn, connection)

    def _take_turn(self, connection: Connection) -> None:
        now = monotonic()
        self.responder.refresh()
        count = connection.take_turn(self.responder.tcp_limits.pipelined, now)
        if count:
            self._meter.observe(monotonic() - now)
            self.received += count
            if not connection.closed:
                self._connections.move_to_end(connection.descriptor)

    def forget(self, connection: Connection, reason: str) -> None:
        self._loop.remove_reader(connection.descriptor)
        super().forget(connection, reason)


class _Once(TcpService):
    _looked = False

    def _work(self) -> None:
        self._looked = False
        super()._work()

    def _find_due(self, now: float) -> bool:
        if self._looked:
            return False
        self._looked = True
        return super()._find_due(now)


_WAYS: Mapping[str, type[TcpService]] = {"add_reader": _AddReader, "epoll, once": _Once, "epoll, again": TcpService}


class _Responder:
    """One look-up a query."""

    def __init__(self) -> None:
        self.tcp_limits = TcpSettings()
        self._known: dict[bytes, bytes] = {}

    def respond(self, octets: bytes, source: bytes, transport: Transport) -> bytes:
        tail = self._known.get(octets[2:])
        if tail is None:
            tail = self._known[octets[2:]] = bytes((octets[2] | 0x80,)) + octets[3:]
        return octets[:2] + tail

    def refresh(self) -> None: ...

    def is_proxy(self, source: bytes) -> bool:
        return False


class _Meter:
    def add(self, name: str, reason: str = "", n: int = 1) -> None: ...

    def set(self, name: str, value: int) -> None: ...

    def observe(self, seconds: float) -> None: ...


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args(arguments)
    costs: dict[str, list[float]] = {way: [] for way in _WAYS}
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        dataset = write_dataset(Path(name) / "data", 10_000)
        workload = write_workload("mixed", dataset, Path(name))
        servers = {way: stack.enter_context(_running(way)) for way in _WAYS}
        for _ in range(options.rounds):
            for way, (pid, port) in servers.items():
                before = processes.cpu_seconds(pid)
                report = _load(port, workload, options.seconds)
                costs[way].append((processes.cpu_seconds(pid) - before) / report.completed * 1e6)
    least = statistics.median(costs["epoll, again"])
    for way, values in costs.items():
        median = statistics.median(values)
        print(f"{way:14} {median:6.2f} us/query ({min(values):.2f} to {max(values):.2f})  {median / least:4.2f}")


def _load(port: int, workload: Workload, seconds: float) -> dnsperf.Report:
    pinned = [program("taskset"), "--cpu-list", str(CLIENT_CPU)]
    words = [*pinned, *dnsperf.command(port, workload, seconds, _ARGUMENTS)]
    report = dnsperf.parse_report(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    if report.lost or report.rcodes.keys() != {"NOERROR"}:
        raise dnsperf.WrongAnswers(str(report))
    return report


@contextmanager
def _running(way: str) -> Iterator[tuple[int, int]]:
    """Serve in a child on the server's core; gives its process id and its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        set_tcp_options(listener)
        process = multiprocessing.get_context("fork").Process(target=_serve, args=(way, listener), daemon=True)
        process.start()
        assert process.pid is not None
        try:
            yield process.pid, listener.getsockname()[1]
        finally:
            process.terminate()
            process.join()


def _serve(way: str, listener: socket.socket) -> None:
    os.sched_setaffinity(0, {SERVER_CPU})

    loop = DirectLoop()

    async def serve() -> None:
        service = _WAYS[way](loop, _Responder(), _Meter(), 1000)
        service.add(listener)
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
