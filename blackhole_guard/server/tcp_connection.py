"""One TCP connection of a client: its octets become messages, the responses become octets, in order.

The length that stands before each message is that of RFC 1035 section 4.2.2. A connection holds at most 64 KiB of input
that is not answered yet, what one read adds to it, and the responses of one turn: under 256 KiB.
"""

import asyncio
import socket
import struct
from time import monotonic
from typing import Protocol

from blackhole_guard.config.settings import TcpSettings
from blackhole_guard.server.clients import group_client
from blackhole_guard.server.roles import Meter, Responder, Transport

READ = 65536  # octets read at once
_HIGH_WATER = 65536  # octets of responses in one turn, but for the last one
_HEADER = 12  # octets of a DNS header: nothing shorter is a message
_NO_LINGER = struct.pack("ii", 1, 0)  # close(2) sends a reset and forgets what the client does not read


class MalformedError(Exception):
    """The length before a message is too small for one."""


class Inbox:
    """Octets of a stream, as they come, and the messages in them."""

    __slots__ = ("_octets", "_start")

    def __init__(self) -> None:
        self._octets = bytearray()
        self._start = 0  # of the first message that was not taken

    def __len__(self) -> int:
        """How many octets wait."""
        return len(self._octets) - self._start

    def feed(self, octets: bytes | memoryview) -> None:
        """Add what was read."""
        if self._start:
            del self._octets[: self._start]
            self._start = 0
        self._octets += octets

    def has_message(self) -> bool:
        """Say whether take() has something to give, or to complain of."""
        octets, start = self._octets, self._start
        if len(octets) - start < 2:
            return False
        length = octets[start] << 8 | octets[start + 1]
        return length < _HEADER or len(octets) - start >= 2 + length

    def take(self) -> bytes:
        """Take the next message, which has_message() promised.

        Raises:
            MalformedError: it cannot be one, and so nothing behind it can be found.
        """
        start = self._start + 2
        end = start + (self._octets[start - 2] << 8 | self._octets[start - 1])
        if end - start < _HEADER:
            raise MalformedError
        self._start = end
        return bytes(self._octets[start:end])


class Service(Protocol):
    """What a connection asks of the service that it belongs to."""

    loop: asyncio.AbstractEventLoop
    responder: Responder
    meter: Meter
    space: memoryview  # to read into, READ octets; no connection keeps anything there
    stopping: bool  # close when all that has come is answered

    def schedule(self, connection: "Connection") -> None:
        """Have the connection take a turn, when it is its turn."""

    def touch(self, connection: "Connection", messages: int) -> None:
        """Note that whole messages came."""

    def forget(self, connection: "Connection", reason: str) -> None:
        """Note that the connection has closed."""


class Connection:
    """One client's connection. Every method returns at once; the service is told of messages and of the end."""

    __slots__ = (
        "_active",
        "_begun",
        "_closed",
        "_due",
        "_ended",
        "_inbox",
        "_messages",
        "_opened",
        "_outbox",
        "_reading",
        "_service",
        "_sock",
        "_source",
        "client",
    )

    def __init__(self, service: Service, sock: socket.socket, source: bytes, now: float) -> None:
        self.client = group_client(source)
        self._service = service
        self._sock = sock
        self._source = source
        self._inbox = Inbox()
        self._outbox = memoryview(b"")  # what the client has not taken yet
        self._opened = now
        self._active = now  # the last whole message, or the last octet that the client took
        self._begun: float | None = None  # when the message that is not whole yet began to come
        self._messages = False  # whether there was one
        self._ended = False  # the client sends nothing more, but may still read
        self._closed = False
        self._due = False  # it waits for its turn: nothing more is read before
        self._reading = False
        self._read_on()

    def find_overdue(self, now: float, limits: TcpSettings) -> str | None:
        """Name the time limit that is over (RFC 7766 section 6.2.3), a reason of roles.TCP_CLOSE_REASONS."""
        if now >= self._opened + limits.lifetime:
            return "lifetime"
        if self._outbox:
            return "write_stall" if now >= self._active + limits.write_stall else None
        if self._begun is not None and now >= self._begun + limits.message:
            return "message"
        if not self._messages:
            return "first_query" if now >= self._opened + limits.first_query else None
        return "idle" if self._begun is None and now >= self._active + limits.idle else None

    def finish(self) -> None:
        """Answer what has come by now, and close as soon as that is sent."""
        self._on_readable()
        if self._reading and not self._due:  # nothing had come; otherwise what is to be done next is under way
            self._settle()

    def close(self, reason: str) -> None:
        """Close at once; responses that the client has not taken are lost."""
        assert not self._closed
        self._closed = True
        self._stop_reading()
        if self._outbox:
            self._service.loop.remove_writer(self._sock)
            # Otherwise the kernel would keep them for a client that does not read, for minutes.
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._sock.close()
        self._service.forget(self, reason)

    def take_turn(self) -> int:
        """Answer messages that have come, no more than may be in flight, and see what is next; returns how many."""
        if self._closed:  # since it was scheduled
            return 0
        self._due = False
        start = monotonic()
        try:
            count, responses = self._answer(start)
        except MalformedError:
            self.close("malformed")
            return 0
        except Exception:
            # The edge of this connection's work: it ends, the others do not; the loop's handler counts and logs it.
            self.close("failed")
            raise
        if responses:
            self._outbox = memoryview(responses)
            self._send()
            self._service.meter.observe(monotonic() - start)
        if not self._closed:
            self._settle()
        return count

    def _on_readable(self) -> None:
        if self._due or not self._reading:
            return
        space = self._service.space
        try:
            count = self._sock.recv_into(space)
        except BlockingIOError:
            return
        except OSError:
            self.close("reset")
            return
        if count:
            self._inbox.feed(space[:count])
        else:
            self._ended = True
        self._schedule()

    def _schedule(self) -> None:
        self._due = True
        self._service.schedule(self)

    def _answer(self, now: float) -> tuple[int, bytearray]:
        """Answer messages that have come; returns how many, and the responses."""
        responses = bytearray()
        count = 0
        try:
            while (
                count < self._service.responder.tcp_limits.pipelined
                and len(responses) < _HIGH_WATER
                and self._inbox.has_message()
            ):
                message = self._inbox.take()
                count += 1
                response = self._service.responder.respond(message, self._source, Transport.TCP)
                if response is not None:
                    responses += len(response).to_bytes(2, "big")
                    responses += response
        except MalformedError:
            if not responses:
                raise
            # What is answered goes out first; the next turn comes back to this length.
        if count:
            self._service.touch(self, count)
            self._messages = True
            self._active = now
            self._begun = None
        return count, responses

    def _send(self) -> None:
        """Send as much as the client takes; the rest waits until it takes more."""
        waited = self._outbox
        try:
            sent = self._sock.send(waited)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close("reset")
            return
        self._outbox = waited[sent:]
        if sent:
            self._active = monotonic()

    def _on_writable(self) -> None:
        self._send()
        if not self._closed and not self._outbox:
            self._service.loop.remove_writer(self._sock)
            self._settle()

    def _settle(self) -> None:
        """Wait for what must come next: room to send, another turn, the end, or more to read."""
        loop = self._service.loop
        if self._outbox:
            self._stop_reading()
            loop.add_writer(self._sock, self._on_writable)
        elif self._inbox.has_message():
            self._schedule()  # not now: others have waited meanwhile
        elif self._ended:
            self.close("client")
        elif self._service.stopping:
            self.close("stop")
        else:
            if self._begun is None and len(self._inbox):
                self._begun = monotonic()
            self._read_on()

    def _read_on(self) -> None:
        if not self._reading:
            self._reading = True
            self._service.loop.add_reader(self._sock, self._on_readable)

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._service.loop.remove_reader(self._sock)
