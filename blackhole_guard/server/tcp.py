"""DNS over TCP (RFC 1035 section 4.2.2, RFC 7766): connections, their order and their limits.

Queries may be pipelined; responses go out in the order of the queries. A response is ready at once, so a query is in
flight while its response waits for the client: then nothing more is read from that client. RFC 7766 section 6 names the
limits; when one is full, the connection that was idle longest gives way, not the newcomer. Left out: the
edns-tcp-keepalive option (RFC 7828).
"""

import asyncio
import errno
import socket
from collections import Counter, deque
from time import monotonic

from blackhole_guard.server.clients import group_client, pack_address
from blackhole_guard.server.roles import Meter, Responder
from blackhole_guard.server.tcp_connection import READ, Connection

_ACCEPTS = 16  # connections of one listener before the loop gets its turn
_TURN = 128  # messages of all connections before the loop gets its turn: UDP waits as long
_SWEEP = 0.25  # seconds between looks at the deadlines: how late a time limit may be
_REST = 1.0  # seconds without accepting when there is nothing to accept with
_NO_MEANS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# accept(2): errors of the connection that was to be accepted, not of the listener.
_GONE = frozenset(
    (
        errno.ECONNABORTED,
        errno.EPROTO,
        errno.EPERM,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENONET,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
    )
)


class TcpService:
    """Serves listening sockets in an event loop, within the responder's limits."""

    def __init__(self, loop: asyncio.AbstractEventLoop, responder: Responder, meter: Meter, most: int) -> None:
        """`most`: connections that the process has descriptors for; a lower limit in the settings goes before it."""
        self.loop = loop
        self.responder = responder
        self.meter = meter
        self.space = memoryview(bytearray(READ))  # what is read lies here for a moment only, so one is enough for all
        self.received = 0  # whole messages
        self.stopping = False
        self._most = most
        self._listeners: set[socket.socket] = set()
        self._connections: dict[Connection, None] = {}  # in the order of their last whole message: longest idle first
        self._clients: Counter[bytes] = Counter()
        self._due: deque[Connection] = deque()
        self._work_called = False
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, listener: socket.socket) -> None:
        """Begin to accept from a listening socket; it stays its owner's."""
        self._listeners.add(listener)
        self.loop.add_reader(listener, self._accept, listener)

    def remove(self, listener: socket.socket) -> None:
        """Stop accepting from a listening socket; connections that came by it go on."""
        self._listeners.discard(listener)
        self.loop.remove_reader(listener)

    async def finish(self, seconds: float) -> None:
        """Answer what has come, send what waits, close everything; what a client does not take in that time is lost."""
        for listener in list(self._listeners):
            self.remove(listener)
        self.stopping = True
        for connection in list(self._connections):
            connection.finish()
        try:
            async with asyncio.timeout(seconds):
                while self._connections:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            for connection in list(self._connections):
                connection.close("stop")
        if self._sweeper is not None:
            self._sweeper.cancel()

    def schedule(self, connection: Connection) -> None:
        """Have a connection take a turn after those that were due before."""
        self._due.append(connection)
        if not self._work_called:
            self._work_called = True
            self.loop.call_soon(self._work)

    def touch(self, connection: Connection, messages: int) -> None:
        """Note that a connection sent whole messages: it is now the one that was idle for the shortest time."""
        self.received += messages
        del self._connections[connection]
        self._connections[connection] = None

    def forget(self, connection: Connection, reason: str) -> None:
        """Note that a connection has closed."""
        del self._connections[connection]
        self._clients[connection.client] -= 1
        if not self._clients[connection.client]:
            del self._clients[connection.client]
        self.meter.add("tcp_closed", reason)
        self.meter.set("tcp_connections", len(self._connections))
        if not self._connections:
            self._empty.set()

    def _work(self) -> None:
        """Let the connections that are due take their turns, each one, as far as the time of others allows."""
        self.responder.refresh()
        messages = 0
        try:
            for _ in range(len(self._due)):
                messages += self._due.popleft().take_turn()
                if messages >= _TURN:
                    break
        finally:
            self._work_called = bool(self._due)
            if self._due:
                self.loop.call_soon(self._work)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self.meter.add("accept_errors")
                if error.errno in _GONE or (error.errno in _NO_MEANS and self._evict("descriptors")):
                    continue
                self.loop.remove_reader(listener)
                self.loop.call_later(_REST, self._resume, listener)
                return
            self._open(sock, pack_address(address[0]))

    def _resume(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            self.loop.add_reader(listener, self._accept, listener)

    def _open(self, sock: socket.socket, source: bytes) -> None:
        limits = self.responder.tcp_limits
        client = group_client(source)
        while self._clients[client] >= limits.per_client and self._evict("per_client", client):
            pass
        while len(self._connections) >= min(limits.connections, self._most) and self._evict("full"):
            pass
        sock.setblocking(False)
        connection = Connection(self, sock, source, monotonic())
        self._connections[connection] = None
        self._clients[client] += 1
        self.meter.add("tcp_accepted")
        self.meter.set("tcp_connections", len(self._connections))
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(_SWEEP, self._sweep)

    def _evict(self, reason: str, client: bytes | None = None) -> bool:
        """Close the connection that was idle longest, of one client or of all; returns whether there was one."""
        for connection in self._connections:
            if client is None or connection.client == client:
                connection.close(reason)
                return True
        return False

    def _sweep(self) -> None:
        """Close connections whose time is over. A look at all of them four times a second costs less than timers."""
        now, limits = monotonic(), self.responder.tcp_limits
        for connection in list(self._connections):
            reason = connection.find_overdue(now, limits)
            if reason is not None:
                connection.close(reason)
        self._sweeper = self.loop.call_later(_SWEEP, self._sweep) if self._connections else None
