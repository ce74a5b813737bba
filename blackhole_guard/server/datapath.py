"""UDP: from the sockets to the responder and back.

`PlainDatapath` receives and sends one datagram a system call. What is not answered is counted by reason; nothing that a
client or the network does raises out of here, blocks, or keeps the loop from its other work for long.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from time import monotonic, time_ns
from typing import Any, NamedTuple, Protocol

from blackhole_guard.server import system
from blackhole_guard.server.clients import find_drop_reason, pack_address, unmap_address
from blackhole_guard.server.roles import Meter, Responder, Transport
from blackhole_guard.server.sockets import is_wildcard

BATCH = 64  # datagrams of one socket before the loop gets its turn: about 5 ms of work
LARGEST = 4096  # octets; no query comes near it, and more is not read
STALE = 2  # seconds; the client has asked again by then, and elsewhere
_PAUSE = 0.1  # seconds without reading a socket that fails, or it would fail in a tight loop
_CONTROL = socket.CMSG_SPACE(system.TIMESPEC.size) + socket.CMSG_SPACE(system.IN6_PKTINFO.size)

Control = list[tuple[int, int, bytes]]
Own = frozenset[tuple[bytes, int]]  # addresses and ports that our sockets are bound to

_SEND_REASONS = {
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
        self._readers: dict[socket.socket, _Reader] = {}
        self.received = 0

    def add(self, sock: socket.socket) -> None:
        """Begin to serve a socket."""
        reader = self._readers[sock] = _Reader(sock)
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

    def _serve(self, reader: "_Reader") -> bool:
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
            back = reader.read_control(control) if control else _NOTHING_SAID
            reason = self._find_drop_reason(reader, source, sender[1], flags, back)
            if reason is not None:
                self._meter.add("datagrams_dropped", reason)
                continue
            response = self._responder.respond(octets, source, Transport.UDP)
            if response is not None and self._send(reader.sock, response, back.control, sender) and start is not None:
                self._meter.observe(monotonic() - start)
                start = None
        return True

    def _find_drop_reason(
        self, reader: "_Reader", source: bytes, port: int, flags: int, back: "_WayBack"
    ) -> str | None:
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
            self._meter.add("responses_unsent", _SEND_REASONS.get(error.errno or 0, "other"))
            return False
        return True

    def _pause(self, reader: "_Reader") -> None:
        self._meter.add("receive_errors")
        self._loop.remove_reader(reader.sock)
        self._loop.call_later(_PAUSE, self._resume, reader)

    def _resume(self, reader: "_Reader") -> None:
        if self._readers.get(reader.sock) is reader:
            self._loop.add_reader(reader.sock, self._serve, reader)


class _WayBack(NamedTuple):
    """What the control messages of a datagram say."""

    asked: bytes  # the address of ours that was asked; empty: not said
    stale: bool  # it has waited too long
    control: Control  # makes the response leave from the address that was asked


_NOTHING_SAID = _WayBack(b"", False, [])


class _Reader:
    """One socket, and how to read its control messages."""

    __slots__ = ("_stamped", "sock", "wildcard_port")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.wildcard_port = sock.getsockname()[1] if is_wildcard(sock) else None
        self._stamped = False

    def read_control(self, control: Control) -> _WayBack:
        """Read what came with a datagram: when it came, and to which address."""
        asked, stale, reply = b"", False, []
        for level, kind, data in control:
            if level == socket.SOL_SOCKET and kind == system.SCM_TIMESTAMPNS:
                self._stamped = True
                seconds, nanoseconds = system.TIMESPEC.unpack(data)
                stale = time_ns() - (seconds * 1_000_000_000 + nanoseconds) > STALE * 1_000_000_000
            elif level == socket.IPPROTO_IP and kind == system.IP_PKTINFO:
                # For a broadcast this is our address, while the header has the broadcast's. Interface 0: routes decide.
                asked = system.IN_PKTINFO.unpack(data)[1]
                reply.append((level, kind, system.IN_PKTINFO.pack(0, asked, bytes(4))))
            elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                asked, interface = system.IN6_PKTINFO.unpack(data)
                if asked[0] == 0xFF:  # a multicast address cannot be a source: the kernel chooses one
                    continue
                # A link-local address says nothing without its interface; for others routes decide.
                link_local = asked[0] == 0xFE and asked[1] & 0xC0 == 0x80
                reply.append((level, kind, system.IN6_PKTINFO.pack(asked, interface if link_local else 0)))
        return _WayBack(unmap_address(asked), stale, reply)

    def stop_stamps(self) -> None:
        """Have the kernel note arrivals no longer: the queue is empty, so from here on nothing waits."""
        if self._stamped:
            self.sock.setsockopt(socket.SOL_SOCKET, system.SO_TIMESTAMPNS, 0)
            self._stamped = False
