"""What a worker is handed: who answers, who counts, who is told. `app` fulfils these Protocols.

The names of what a worker counts are a closed set and stand here, so that the pages of counters can be laid out before
there is a worker. Counters of queries and answers are not among them: those are the responder's own.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Protocol

from blackhole_guard.answering.batch import Batch
from blackhole_guard.config.settings import TcpSettings


class Transport(StrEnum):
    """How a message came."""

    UDP = "udp"
    TCP = "tcp"


class Responder(Protocol):
    """Answers messages out of one snapshot of the zones, and follows new ones."""

    @property
    def tcp_limits(self) -> TcpSettings:
        """The limits in force: they are settings like any other, so a reload may move them."""

    def respond(self, octets: bytes, source: bytes, transport: Transport) -> bytes | None:
        """Answer one message.

        Args:
            octets: the message, without the length that stands before it in TCP.
            source: 4 or 16 octets; an IPv4-mapped address has been unmapped.
            transport: decides how much fits.
        Returns:
            The response; None: say nothing.
        """

    def respond_batch(self, batch: Batch) -> None:
        """Answer the messages of a batch over UDP, each as `respond` does, and put the responses in their places.

        An exception belongs to the first message without a response.
        """

    def settle(self) -> None:
        """Do what was put off until the responses had left. Called after each batch: mostly it must be nothing."""

    def is_proxy(self, source: bytes) -> bool:
        """Whether TCP connections from there may begin with a header of the PROXY protocol, which is to be believed."""

    def refresh(self) -> None:
        """Open a newer snapshot when there is one. Called before each batch, so it must cost next to nothing."""

    def fold(self, now: float) -> None:
        """Bring what was counted since the last call to where others read it. `now`: monotonic seconds."""


class Meter(Protocol):
    """Takes what a worker sees besides queries: names and reasons are those of COUNTERS and GAUGES."""

    def add(self, name: str, reason: str = "", n: int = 1) -> None:
        """Add `n` to a counter."""

    def set(self, name: str, value: int) -> None:
        """Set a gauge."""

    def observe(self, seconds: float) -> None:
        """Enter one sampled time from the receipt of a message to the sending of its response."""


class Log(Protocol):
    """Says what an operator should know. Never called for a message."""

    def warning(self, event: str, **fields: object) -> None:
        """Log one event with its fields."""


class FullLog(Log, Protocol):
    """What the supervisor says, too."""

    def info(self, event: str, **fields: object) -> None:
        """Log what went as it should."""

    def error(self, event: str, **fields: object) -> None:
        """Log what somebody must mend."""


class Board(Protocol):
    """What supervisor, workers and observer tell each other in shared memory."""

    def last_beat(self, slot: int) -> float:
        """When a slot's worker last gave a sign of life; differs from one sign to the next."""

    def set_serving(self, slot: int, serving: bool) -> None:
        """Enter that a slot's worker serves, or that it does not."""

    def note_death(self, slot: int) -> None:
        """Enter that a slot's worker died; what only it could know is void."""

    def note_load(self, result: str, generation: int) -> None:
        """Enter the end of a load; from here on workers serve that generation."""


# Datagrams that the responder never saw.
DROP_REASONS = (
    "truncated",  # longer than any query may be
    "source_port",  # a port on which something answers to whatever comes (echo, chargen, ...), or 0
    "source_address",  # an address that no client can have
    "own_address",  # from our own socket: a loop
    "stale",  # waited too long behind a worker that had died
)
SEND_REASONS = (
    "full",  # EAGAIN, ENOBUFS: the send buffer is full
    "refused",  # ECONNREFUSED, EPERM, EACCES: a filter, or a broadcast address
    "unreachable",  # no route, no such address
    "other",
)
TCP_CLOSE_REASONS = (
    "client",  # the client closed, everything was answered
    "reset",  # the client reset the connection, or the network did
    "first_query",  # the six limits of TcpSettings
    "idle",
    "message",
    "write_stall",
    "lifetime",
    "per_client",
    "full",  # the longest idle one, to let another in
    "descriptors",  # as `full`, because the process had no descriptor left
    "malformed",  # a length below that of a header
    "failed",  # the responder raised an exception
    "stop",  # the worker ended
)
COUNTERS: Mapping[str, tuple[str, ...]] = {  # name -> its reasons; empty: it has none
    "datagrams_dropped": DROP_REASONS,
    "responses_unsent": SEND_REASONS,  # over UDP
    "receive_errors": (),
    "tcp_accepted": (),
    "tcp_closed": TCP_CLOSE_REASONS,
    "accept_errors": (),
    "worker_errors": (),  # exceptions nobody expected: bugs
    "tops_uncounted": (),  # averted leaks that are in no top, because the observer did not take them in time
}
GAUGES = (
    "tcp_connections",
    # Datagrams that the kernel dropped because the receive buffer was full. It counts as long as the socket lives,
    # which is longer than a worker, so it is set and not added to, and still never runs backwards.
    "receive_buffer_drops",
    "adopted_slots",  # slots of dead workers that this one reads for
)

# Called by each worker about once a second with the monotonic time: the supervisor's sign that it lives.
Beat = Callable[[float], None]
