"""UDP: from the sockets to the responder and back.

`PlainDatapath` receives and sends one datagram a system call. What is not answered is counted by reason; nothing that a
client or the network does raises out of here, blocks, or keeps the loop from its other work for long.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from blackhole_guard.server import system
from blackhole_guard.server.clients import find_drop_reason, pack_address
from blackhole_guard.server.roles import Meter, Responder, Transport
from blackhole_guard.server.way_back import NOTHING_SAID, Control, Reader, WayBack

BATCH = 64  # datagrams of one socket before the loop gets its turn: about 5 ms of work
LARGEST = 4096  # octets; no query comes near it, and more is not read
_PAUSE = 0.1  # seconds without reading a socket that fails, or it would fail in a tight loop
_CONTROL = socket.CMSG_SPACE(system.TIMESPEC.size) + socket.CMSG_SPACE(system.IN6_PKTINFO.size)

Own = frozenset[tuple[bytes, int]]  # addresses and ports that our sockets are bound to

_REASONS = {
    errno.EAGAIN: "full",
    errno.ENOBUFS: "full",
    errno.ENOMEM: "full",
    errno.ECONNREFUSED: "refused",
    errno.EPERM: "refused",  # a packet filter
    errno.EACCES: "refused",  # a broadcast address
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",  # the address that was asked is no longer ours
    errno.ENODEV: "unreachable",
}


def find_send_reason(number: int | None) -> str:
    """Name the reason (of roles.SEND_REASONS) that an errno stands for."""
    return _REASONS.get(number or 0, "other")


class Datapath(Protocol):
    """Serves UDP sockets in an event loop."""

    @property
    def received(self) -> int:
        """How many datagrams came so far, answered or not."""

    def add(self, sock: socket.socket) -> None:
        """Begin to serve a socket; it stays its owner's."""

    def remove(self, sock: socket.socket) -> None:
        """Stop serving a socket; what waits in it stays there."""

    def drain(self, seconds: float) -> None:
        """Serve what waits in the sockets by now, for no longer than that, without the loop."""


MakeDatapath = Callable[[asyncio.AbstractEventLoop, Responder, Meter, Own], Datapath]


class PlainDatapath:
    """A Datapath of recvmsg(2) and sendmsg(2)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, responder: Responder, meter: Meter, own: Own) -> None:
        self._loop = loop
        self._responder = responder
        self._meter = meter
        self._own = own
        self._readers: dict[socket.socket, Reader] = {}
        self.received = 0

    def add(self, sock: socket.socket) -> None:
        """Begin to serve a socket."""
        reader = self._readers[sock] = Reader(sock)
        self._loop.add_reader(sock, self._serve, reader)

    def remove(self, sock: socket.socket) -> None:
        """Stop serving a socket."""
        del self._readers[sock]
        self._loop.remove_reader(sock)

    def drain(self, seconds: float) -> None:
        """Serve what waits in the sockets by now."""
        deadline = monotonic() + seconds
        for reader in self._readers.values():
            while monotonic() < deadline and self._serve(reader):
                pass

    def _serve(self, reader: Reader) -> bool:
        """Answer up to BATCH datagrams; returns whether there may be more.

        An exception of the responder costs its datagram alone: it reaches the loop's exception handler, and the loop
        calls again for what is left in the socket.
        """
        self._responder.refresh()
        start: float | None = monotonic()  # the first of a turn is the sample: each one when there are few
        for _ in range(BATCH):
            try:
                octets, control, flags, sender = reader.sock.recvmsg(LARGEST, _CONTROL)
            except BlockingIOError:
                reader.stop_stamps()
                return False
            except OSError:
                self._pause(reader)
                return False
            self.received += 1
            source = pack_address(sender[0])
            back = reader.read_control(control) if control else NOTHING_SAID
            reason = self._find_drop_reason(reader, source, sender[1], flags, back)
            if reason is not None:
                self._meter.add("datagrams_dropped", reason)
                continue
            response = self._responder.respond(octets, source, Transport.UDP)
            if response is not None and self._send(reader.sock, response, back.control, sender) and start is not None:
                self._meter.observe(monotonic() - start)
                start = None
        return True

    def _find_drop_reason(self, reader: Reader, source: bytes, port: int, flags: int, back: WayBack) -> str | None:
        if flags & socket.MSG_TRUNC:
            return "truncated"
        if back.stale:
            return "stale"
        if (source, port) in self._own or (source == back.asked and port == reader.wildcard_port):
            return "own_address"
        return find_drop_reason(source, port)

    def _send(self, sock: socket.socket, response: bytes, control: Control, to: Any) -> bool:
        """Send one response. One that cannot be sent is dropped and counted: the client asks again."""
        try:
            sock.sendmsg((response,), control, 0, to)
        except OSError as error:
            self._meter.add("responses_unsent", find_send_reason(error.errno))
            return False
        return True

    def _pause(self, reader: Reader) -> None:
        self._meter.add("receive_errors")
        self._loop.remove_reader(reader.sock)
        self._loop.call_later(_PAUSE, self._resume, reader)

    def _resume(self, reader: Reader) -> None:
        if self._readers.get(reader.sock) is reader:
            self._loop.add_reader(reader.sock, self._serve, reader)
