"""The datapaths, and how a test has one serve its sockets."""

import asyncio
import ctypes
import os
from contextlib import asynccontextmanager

from doubles import EchoResponder, RecordingMeter

from blackhole_guard.server import batch_datapath, plain_datapath
from blackhole_guard.server.batch_datapath import BatchDatapath
from blackhole_guard.server.mmsg import SLOTS
from blackhole_guard.server.plain_datapath import PlainDatapath
from blackhole_guard.server.sockets import open_sockets

DATAPATHS = [PlainDatapath, BatchDatapath]
# Datagrams of one socket before the loop gets its turn.
TURNS = {PlainDatapath: plain_datapath.BATCH, BatchDatapath: batch_datapath.BATCHES * SLOTS}


@asynccontextmanager
async def serving(kind, *entries, own=frozenset(), responder=None):
    """A datapath on the sockets of `entries` (port 0 unless said)."""
    held = open_sockets(entries or ["127.0.0.1:0"], 53, 1)
    meter, responder = RecordingMeter(), responder or EchoResponder()
    served = kind(asyncio.get_running_loop(), responder, meter, own)
    for sock in held.slots[0].udp:
        served.add(sock)
    try:
        yield Served(served, responder, meter, held.slots[0].udp)
    finally:
        for sock in held.slots[0].udp:
            served.remove(sock)
        held.close()


class Served:
    def __init__(self, path, responder, meter, socks):
        self.path, self.responder, self.meter, self.socks = path, responder, meter, socks
        self.port = socks[0].getsockname()[1]

    def fail(self, send=(), receive=()):
        """Have the first system calls on the only socket fail with these errors; gives what is to be removed then."""
        if isinstance(self.path, BatchDatapath):
            self.path._slots._sendmmsg = failing_call(self.path._slots._sendmmsg, send)
            self.path._slots._recvmmsg = failing_call(self.path._slots._recvmmsg, receive)
            return self.socks[0]
        failing = FailingSocket(self.socks[0], send, receive)
        self.path.remove(self.socks[0])
        self.path.add(failing)
        return failing

    def dropped(self, reason):
        return self.meter.counts["datagrams_dropped", reason]


class FailingSocket:
    """A socket whose first sends or receives fail as told."""

    def __init__(self, sock, send, receive):
        self.sock, self.send, self.receive = sock, list(send), list(receive)
        self.family, self.type = sock.family, sock.type

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def sendmsg(self, *arguments):
        return self._call(self.send, self.sock.sendmsg, arguments)

    def recvmsg(self, *arguments):
        return self._call(self.receive, self.sock.recvmsg, arguments)

    def _call(self, errors, function, arguments):
        if errors:
            number = errors.pop(0)
            raise OSError(number, os.strerror(number))
        return function(*arguments)


def failing_call(function, errors):
    """A function of the C library that fails with these errors first."""
    left = list(errors)

    def call(*arguments):
        if left:
            ctypes.set_errno(left.pop(0))
            return -1
        return function(*arguments)

    return call
