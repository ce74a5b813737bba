"""One TCP connection of a client: its octets become messages, the responses become octets, in order.

The length that stands before each message is that of RFC 1035 section 4.2.2. A connection holds one message that is not
whole or what one read brought, and the responses of one turn: under 256 KiB.
"""

import socket
import struct
from collections.abc import Callable
from typing import Protocol

from blackhole_guard.answering.proxies import read_stream_start
from blackhole_guard.config.settings import TcpSettings
from blackhole_guard.server.roles import Responder, Transport

_READ = 16384  # octets read at once: more queries than one turn answers
_HIGH_WATER = 65536  # octets of responses in one turn, but for the last one
_SMALLEST = 2 + 12  # octets of a length and a DNS header: nothing shorter is a message
_NO_LINGER = struct.pack("ii", 1, 0)  # close(2) sends a reset and forgets what the client does not read
_NOTHING = memoryview(b"")
_TCP = Transport.TCP  # looked up once, not for each message


def answer_messages(
    octets: bytes, most: int, source: bytes, respond: Callable[[bytes, bytes, Transport], bytes | None]
) -> tuple[list[bytes], int, int]:
    """Answer the messages that a stream begins with, up to `most` of them, or _HIGH_WATER octets of responses.

    Returns:
        Lengths and responses in turn, ready to be joined; how many octets of `octets` they answer; how many messages.
    """
    responses: list[bytes] = []
    start = count = size = 0
    end = len(octets)
    while end - start >= _SMALLEST and count < most and size < _HIGH_WATER:
        stop = start + 2 + (octets[start] << 8 | octets[start + 1])
        if stop > end or stop - start < _SMALLEST:
            break
        response = respond(octets[start + 2 : stop], source, _TCP)
        start = stop
        count += 1
        if response is not None:
            length = len(response)
            size += length
            responses.append(length.to_bytes(2, "big"))
            responses.append(response)
    return responses, start, count


def is_cut(octets: bytes) -> bool:
    """Say whether a stream begins with a message that is not whole yet: more must come before it can be judged."""
    return len(octets) < 2 or _SMALLEST <= 2 + (octets[0] << 8 | octets[1]) > len(octets)


class Service(Protocol):
    """What a connection asks of the service that it belongs to."""

    responder: Responder
    stopping: bool  # close when all that has come is answered

    def schedule(self, connection: "Connection") -> None:
        """Have the connection take a turn, when it is its turn."""

    def watch(self, connection: "Connection", *, writing: bool = False) -> None:
        """Have the connection take a turn whenever its client sends something, or when it takes something instead."""

    def forget(self, connection: "Connection", reason: str) -> None:
        """Note that the connection has closed; called while its socket is open."""


class Connection:
    """One client's connection. Every method returns at once; the service is told of the end."""

    __slots__ = (
        "_active",
        "_begun",
        "_behind_proxy",
        "_ended",
        "_messages",
        "_opened",
        "_outbox",
        "_rest",
        "_service",
        "_sock",
        "_source",
        "_whole",
        "client",
        "closed",
        "descriptor",
        "due",
    )

    def __init__(self, service: Service, sock: socket.socket, source: bytes, client: bytes, now: float) -> None:
        """`client`: whom the limits count it for."""
        self.client = client
        self.closed = False
        self.descriptor = sock.fileno()
        self.due = False  # it waits for its turn
        self._service = service
        self._sock = sock
        self._source = source
        self._rest = b""  # what was read and is not answered yet
        self._whole = False  # whether that begins with what can be judged: a whole message, or a length of none
        self._outbox = _NOTHING  # what the client has not taken yet
        self._opened = now
        self._active = now  # the last whole message, or the last octet that the client took
        self._begun: float | None = None  # when the message that is not whole yet began to come
        self._messages = False  # whether there was one
        self._behind_proxy = service.responder.is_proxy(source)  # and its header is still to come, if there is one
        self._ended = False  # the client sends nothing more, but may still read

    def take_turn(self, most: int, now: float) -> int:
        """Send what waits; or read, answer up to `most` messages and send. Returns how many messages there were."""
        self.due = False
        if self.closed:  # since it became due
            return 0
        if self._outbox:
            self._flush(now)
            return 0
        octets = self._rest if self._whole else self._receive()
        if octets and self._behind_proxy:
            octets = self._take_header(octets, now)
        count = 0
        if octets:
            try:
                responses, end, count = answer_messages(octets, most, self._source, self._service.responder.respond)
            except Exception:
                # The edge of this connection's work: it ends, the others do not; the loop's handler counts and logs it.
                self.close("failed")
                raise
            if count:
                self._active = now
                self._messages = True
                self._begun = None
            if responses:
                self._send(b"".join(responses))
            if self._rest or end < len(octets):
                self._keep(octets[end:], count, now)
        if self._whole or self._ended or self._service.stopping:  # asked here: a call for each turn is 0.1 us of 2.0
            self._settle(found=bool(octets))
        return count

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

    def close(self, reason: str) -> None:
        """Close at once; responses that the client has not taken are lost."""
        assert not self.closed
        self.closed = True
        self._service.forget(self, reason)
        if self._outbox:
            # Otherwise the kernel would keep them for a client that does not read, for minutes.
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._sock.close()

    def _receive(self) -> bytes:
        """Read once; returns all that is not answered yet, or nothing when nothing new came."""
        try:
            octets = self._sock.recv(_READ)
        except BlockingIOError:
            return b""
        except OSError:
            self.close("reset")
            return b""
        self._ended = not octets
        return self._rest + octets if self._rest and octets else octets

    def _take_header(self, octets: bytes, now: float) -> bytes:
        """Take the header of a proxy off the begin of the stream; returns what follows, nothing until it is whole."""
        start = read_stream_start(octets)
        if start is None:
            self._rest = octets
            self._begun = now if self._begun is None else self._begun
            return b""
        if start.is_malformed:
            self.close("malformed")
            return b""
        self._behind_proxy, self._rest, self._begun = False, b"", None
        self._source = start.source or self._source
        return octets[start.size :]

    def _keep(self, rest: bytes, count: int, now: float) -> None:
        """Keep what a turn did not answer. A length that cannot be one closes when all before it is answered."""
        self._rest = rest
        self._whole = bool(rest) and not is_cut(rest)
        if self._whole and not count:
            self.close("malformed")
        elif rest and not self._whole and self._begun is None:
            self._begun = now

    def _send(self, octets: bytes | memoryview) -> int:
        """Send as much as the client takes, and have the rest wait; returns how much it took."""
        try:
            sent = self._sock.send(octets)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close("reset")
            return 0
        if sent < len(octets):
            self._outbox = memoryview(octets)[sent:]
            self._service.watch(self, writing=True)
        return sent

    def _flush(self, now: float) -> None:
        """Send what waits; when all of it is sent go on to read."""
        waited, self._outbox = self._outbox, _NOTHING
        if self._send(waited):
            self._active = now
        if self.closed or self._outbox:
            return
        if self._begun is not None:
            self._begun = now  # nothing was read meanwhile, so the client could not have sent it whole
        self._service.watch(self)
        self._settle(found=True)

    def _settle(self, *, found: bool) -> None:
        """See to what must come next: another turn, the end, or whatever the service watches for.

        `found`: the turn had something to do, so the kernel may hold more.
        """
        if self.closed or self._outbox:
            return
        if self._whole:
            self._service.schedule(self)  # not now: others have waited meanwhile
        elif self._ended:
            self.close("client")
        elif self._service.stopping:
            if found:
                self._service.schedule(self)
            else:
                self.close("stop")
