"""As much of a supervisor as a worker needs: sockets, a channel, and pages to count in that outlive it."""

import contextlib
import mmap
import os
import signal
import socket
import struct
import time

from doubles import FORK, QUERY, EchoResponder, response_to

from blackhole_guard.server import roles
from blackhole_guard.server.channel import Channel, ChannelError, Kind, Message, open_channel
from blackhole_guard.server.sockets import open_sockets
from blackhole_guard.server.worker import WorkerContext, run_worker

_CELLS = [(name, reason) for name, reasons in roles.COUNTERS.items() for reason in (reasons or ("",))]
_CELLS += [(name, "") for name in (*roles.GAUGES, "beats", "folds", "observed", "refreshed")]


class SharedMeter:
    """Counts in memory that is shared over a fork."""

    def __init__(self):
        self._page = mmap.mmap(-1, 8 * len(_CELLS))

    def __getitem__(self, name):
        name, _, reason = name.partition("/")
        return struct.unpack_from("q", self._page, 8 * _CELLS.index((name, reason)))[0]

    def set(self, name, value, reason=""):
        struct.pack_into("q", self._page, 8 * _CELLS.index((name, reason)), value)

    def add(self, name, reason="", n=1):
        at = 8 * _CELLS.index((name, reason))
        struct.pack_into("q", self._page, at, struct.unpack_from("q", self._page, at)[0] + n)

    def observe(self, seconds):
        self.add("observed")


class PipeLog:
    """Logs into a pipe."""

    def __init__(self):
        self.reader, self._writer = FORK.Pipe(duplex=False)

    def warning(self, event, **fields):
        self._writer.send((event, fields))

    def lines(self):
        found = []
        while self.reader.poll(0.1):
            found.append(self.reader.recv())
        return found

    def close(self):
        self.reader.close()
        self._writer.close()


class CountingResponder(EchoResponder):
    """An EchoResponder whose calls are seen from outside."""

    def __init__(self, meter, **limits):
        super().__init__(**limits)
        self._meter = meter

    def refresh(self):
        self._meter.add("refreshed")
        super().refresh()

    def fold(self, now):
        assert abs(now - time.monotonic()) < 1
        self._meter.add("folds")


class Supervisor:
    """Opens the sockets of some slots and runs workers on them."""

    def __init__(self, slots=1, listen=("127.0.0.1:0",), held=None):
        self.held = held or open_sockets(listen, 53, slots)
        self.meters = [SharedMeter() for _ in range(slots)]
        self.log = PipeLog()
        self.processes = {}
        self.channels = {}
        self.make_responder = CountingResponder

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for slot, process in self.processes.items():
            process.terminate()
            process.join(6)
            if process.is_alive():
                process.kill()
                raise AssertionError(f"worker {slot} does not end")
        for channel in self.channels.values():
            channel.close()
        self.log.close()
        self.held.close()

    @property
    def address(self):
        return self.held.slots[0].udp[0].getsockname()

    def start(self, slot=0, parent=None):
        ours, theirs = open_channel()
        context = WorkerContext(
            slot=slot,
            sockets=self.held.slots,
            control=theirs,
            supervisor=os.getpid() if parent is None else parent,
            responder=self.make_responder(self.meters[slot]),
            meter=self.meters[slot],
            log=self.log,
            beat=lambda now: self.meters[slot].add("beats"),
        )

        def work():
            ours.close()
            for channel in self.channels.values():
                channel.close()
            raise SystemExit(run_worker(context))

        self.processes[slot] = FORK.Process(target=work)
        self.processes[slot].start()
        theirs.close()
        if slot in self.channels:
            self.channels[slot].close()
        self.channels[slot] = Channel(ours)

    def await_ready(self, slot=0):
        wait_until(lambda: self.messages(slot) == [Message(Kind.READY, slot)])

    def messages(self, slot=0):
        try:
            return self.channels[slot].receive()
        except ChannelError:
            return None

    def tell(self, slot, kind, other=0):
        self.channels[slot].send(Message(kind, other))

    def await_exit(self, slot=0, seconds=10.0):
        process = self.processes.pop(slot)
        process.join(seconds)
        alive = process.is_alive()
        if alive:
            process.kill()
        assert not alive, "the worker does not end"
        return process.exitcode

    def kill(self, slot=0):
        process = self.processes.pop(slot)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        self.channels.pop(slot).close()


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


def ask_udp(address, count=1, seconds=5.0, query=QUERY):
    """Ask from `count` ports; returns how many are answered in time."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    clients = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(count)]
    for client in clients:
        client.sendto(query, address)
    answered, deadline = 0, time.monotonic() + seconds
    for client in clients:
        client.settimeout(max(0.001, deadline - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            answered += client.recv(65536) == response_to(query)
        client.close()
    return answered


def ask_tcp(address, seconds=5.0, query=QUERY):
    """Ask once over TCP; returns whether the answer came in time."""
    try:
        with socket.create_connection(address, timeout=seconds) as client:
            client.sendall(len(query).to_bytes(2, "big") + query)
            return client.recv(65536) == len(query).to_bytes(2, "big") + response_to(query)
    except TimeoutError:
        return False
