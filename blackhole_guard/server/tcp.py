"""DNS over TCP (RFC 1035 section 4.2.2, RFC 7766): connections, their order and their limits.

Queries may be pipelined; responses go out in the order of the queries. A response is ready at once, so a query is in
flight while its response waits for the client: then nothing more is read from that client. RFC 7766 section 6 names the
limits; when one is full, the connection that was idle longest gives way, not the newcomer. Left out: the
edns-tcp-keepalive option (RFC 7828).

Listeners and connections have an epoll(7) instance of their own, whose descriptor the event loop watches: so one
callback serves all that are ready, in turns, and the work before others have theirs has one bound. With 8 queries
outstanding on 8 connections a query also costs 8 % less than with a callback of the loop for each connection (8.5 us
against 9.25, the kernel's work included; python -m bench.tcp_reading).
"""

import asyncio
import errno
import select
import socket
from collections import OrderedDict, deque
from time import monotonic

from blackhole_guard.server.clients import group_client, pack_address
from blackhole_guard.server.direct_loop import DirectLoop
from blackhole_guard.server.roles import Meter, Responder
from blackhole_guard.server.tcp_connection import Connection

# Connections of one listener before those that are open get their turn. With 16, which looks on until nothing waits, a
# connection for one query cost 4 % more (python -m bench tcp).
_ACCEPTS = 2
_TURN = 128  # messages of all connections before the loop gets its turn: UDP waits as long, about 0.3 ms
_SYSTEM_CALLS = 4  # what a read and a send cost, in messages
_EVENTS = 64  # taken from the kernel at once
_SWEEP = 0.5  # seconds between looks at the deadlines: how late a time limit may be
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

    def __init__(self, loop: DirectLoop, responder: Responder, meter: Meter, most: int) -> None:
        """`most`: connections that the process has descriptors for; a lower limit in the settings goes before it."""
        self.responder = responder
        self.received = 0  # whole messages
        self.stopping = False
        self._loop = loop
        self._meter = meter
        self._most = most
        self._listeners: dict[int, socket.socket] = {}  # by descriptor
        self._resting: dict[int, asyncio.TimerHandle] = {}  # of those that rest: what ends it; epoll does not have them
        # By descriptor, in the order of their last whole message: longest idle first.
        self._connections: OrderedDict[int, Connection] = OrderedDict()
        self._clients: dict[bytes, int] = {}  # how many connections each has
        self._due: deque[Connection] = deque()
        self._call: asyncio.Handle | None = None  # of _work, when the loop is to call it
        self._left = 0  # of _TURN, in this call of _work
        self._sampled = False  # whether this call of _work has entered a time in the meter
        # Since the last fold: four calls of the meter for each connection cost 1.1 us, and more where caches are cold.
        self._accepted = 0
        self._closed: dict[str, int] = {}  # by reason
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._epoll = select.epoll()
        loop.serve(self._epoll, self._on_events)

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, listener: socket.socket) -> None:
        """Begin to accept from a listening socket; it stays its owner's."""
        self._listeners[listener.fileno()] = listener
        self._epoll.register(listener.fileno(), select.EPOLLIN)

    def remove(self, listener: socket.socket) -> None:
        """Stop accepting from a listening socket; connections that came by it go on."""
        descriptor = listener.fileno()
        if self._listeners.pop(descriptor, None) is None:
            return
        if descriptor in self._resting:
            self._resting.pop(descriptor).cancel()
        else:
            self._epoll.unregister(descriptor)

    def fold(self) -> None:
        """Bring what was counted since the last call to the meter."""
        if self._accepted or self._closed:
            self._meter.add("tcp_accepted", n=self._accepted)
            for reason, n in self._closed.items():
                self._meter.add("tcp_closed", reason, n)
            self._accepted, self._closed = 0, {}
            self._meter.set("tcp_connections", len(self._connections))

    async def finish(self, seconds: float) -> None:
        """Answer what has come, send what waits, close everything; what a client does not take in that time is lost."""
        for listener in list(self._listeners.values()):
            self.remove(listener)
        self.stopping = True
        for connection in self._connections.values():
            self.schedule(connection)
        try:
            async with asyncio.timeout(seconds):
                while self._connections:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            for connection in list(self._connections.values()):
                connection.close("stop")
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._call is not None:
            self._call.cancel()
        if not self._epoll.closed:
            self._loop.leave(self._epoll)
            self._epoll.close()
        self.fold()

    def schedule(self, connection: Connection) -> None:
        """Have a connection take a turn after those that were due before."""
        if not connection.due:
            connection.due = True
            self._due.append(connection)
        if self._call is None:
            self._call = self._loop.call_soon(self._work)

    def watch(self, connection: Connection, *, writing: bool = False) -> None:
        """Have a connection take a turn whenever its client sends something, or when it takes something instead."""
        self._epoll.modify(connection.descriptor, select.EPOLLOUT if writing else select.EPOLLIN)

    def forget(self, connection: Connection, reason: str) -> None:
        """Note that a connection has closed."""
        del self._connections[connection.descriptor]
        others = self._clients[connection.client] - 1
        if others:
            self._clients[connection.client] = others
        else:
            del self._clients[connection.client]
        self._closed[reason] = self._closed.get(reason, 0) + 1
        if not self._connections:
            self._empty.set()

    def _on_events(self) -> None:
        if self._call is None:  # otherwise _work has had its time in this turn of the loop, and has not done all
            self._work()

    def _work(self) -> None:
        """Accept, and let the connections that are due take their turns, as far as the time of others allows."""
        self._call = None
        self._sampled = False
        self._left = _TURN
        self.responder.refresh()
        now, most = monotonic(), self.responder.tcp_limits.pipelined
        try:
            # Looking again until nothing is ready makes a query 7 % cheaper (python -m bench.tcp_reading). Not
            # when one asks for another turn: it has had what may be in flight on one connection.
            while self._left > 0 and self._call is None and self._find_due(now):
                self._take_round(most, now)
        finally:
            if self._due and self._call is None:
                self._call = self._loop.call_soon(self._work)

    def _take_round(self, most: int, now: float) -> None:
        """Let each connection that is due take one turn, until nothing is left of _TURN."""
        for _ in range(len(self._due)):
            connection = self._due.popleft()
            count = connection.take_turn(most, now)
            if count:
                self.received += count
                if not connection.closed:
                    self._connections.move_to_end(connection.descriptor)
                if not self._sampled:  # the first of a turn is the sample: each one when there are few
                    self._sampled = True
                    self._meter.observe(monotonic() - now)
            self._left -= count + _SYSTEM_CALLS
            if self._left <= 0:
                break

    def _find_due(self, now: float) -> bool:
        """Make due whatever had events, accept, and say whether anything was found."""
        connections, due = self._connections, self._due
        found = self._epoll.poll(0, _EVENTS)
        self._left -= 1
        for descriptor, _ in found:
            connection = connections.get(descriptor)
            if connection is None:
                if descriptor in self._listeners:  # else it was a connection that has just given way to a newcomer
                    self._accept(self._listeners[descriptor], now)
            elif not connection.due:
                connection.due = True
                due.append(connection)
        return bool(found or due)

    def _accept(self, listener: socket.socket, now: float) -> None:
        """Accept some of the connections that wait at a listener."""
        for _ in range(_ACCEPTS):
            self._left -= _SYSTEM_CALLS
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self._meter.add("accept_errors")
                if error.errno in _GONE or (error.errno in _NO_MEANS and self._evict("descriptors")):
                    continue
                self._epoll.unregister(listener.fileno())
                self._resting[listener.fileno()] = self._loop.call_later(_REST, self._resume, listener.fileno())
                return
            self._open(sock, pack_address(address[0]), now)

    def _resume(self, descriptor: int) -> None:
        try:
            self._epoll.register(descriptor, select.EPOLLIN)
            del self._resting[descriptor]
        except OSError:  # as in `_open`
            self._resting[descriptor] = self._loop.call_later(_REST, self._resume, descriptor)

    def _open(self, sock: socket.socket, source: bytes, now: float) -> None:
        limits = self.responder.tcp_limits
        client = group_client(source)
        while self._clients.get(client, 0) >= limits.per_client and self._evict("per_client", client):
            pass
        while len(self._connections) >= min(limits.connections, self._most) and self._evict("full"):
            pass
        sock.setblocking(False)
        try:
            self._epoll.register(sock.fileno(), select.EPOLLIN)
        except OSError:  # there is no memory, or there are as many watches as a user may have (epoll(7))
            self._meter.add("accept_errors")
            sock.close()
            return
        connection = Connection(self, sock, source, client, now)
        self._connections[connection.descriptor] = connection
        self._clients[client] = self._clients.get(client, 0) + 1
        self._accepted += 1
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP, self._sweep)

    def _evict(self, reason: str, client: bytes | None = None) -> bool:
        """Close the connection that was idle longest, of one client or of all; returns whether there was one."""
        for connection in self._connections.values():
            if client is None or connection.client == client:
                connection.close(reason)
                return True
        return False

    def _sweep(self) -> None:
        """Close connections whose time is over. A look at all of them twice a second costs less than timers."""
        now, limits = monotonic(), self.responder.tcp_limits
        for connection in list(self._connections.values()):
            reason = connection.find_overdue(now, limits)
            if reason is not None:
                connection.close(reason)
        self._sweeper = self._loop.call_later(_SWEEP, self._sweep) if self._connections else None
