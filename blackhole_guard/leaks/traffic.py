"""Traffic with the sinks: queries and updates on their way there, the responses that come back, and the time between.

RFC 5452 section 9.1 (what makes a response that of a query). A captured frame goes in; a `Leak` comes out for each
query that is one, and a `Wait` for what became of it. State is bounded, whoever sends: see the limits below.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from blackhole_guard.leaks.evidence import Certainty, Kind, Leak, Report, Via, classify
from blackhole_guard.leaks.frames import Frame, Segment, TcpFields, parse_segment
from blackhole_guard.leaks.streams import RST, SYN, Message, Stream
from blackhole_guard.reserved.probes import is_probe
from blackhole_guard.reserved.sinks import find_sink
from blackhole_guard.wire.codes import Opcode
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.header import HEADER, QR
from blackhole_guard.wire.names import find_name_end
from blackhole_guard.wire.query import Query, parse_query

PORT = 53
PATIENCE = 5.0  # seconds; no resolver waits longer for one server (BIND at most 10 for all of a query)
# The same query on its way through a bridge, a VLAN and its interface is captured there each time. Who sends a query
# again waits longer: Unbound 50 ms at least (RTT_MIN_TIMEOUT), BIND and glibc far more.
COPY_WINDOW = 0.04  # seconds
MAX_PENDING = 16_384  # queries without a response yet: 3,000 a second, none of them answered, for `PATIENCE`; 10 MB
MAX_SETTLED = 4_096  # queries whose response has come, in `COPY_WINDOW`: 100,000 a second; 1 MB
MAX_STREAMS = 1_024  # directions of TCP connections: 9 KiB each at most
_OBSERVED = Certainty.OBSERVED  # looked up once
_RCODE = 0x000F
_ID = 2  # octets, at a message's beginning
_REMEMBERED = 512  # octets of a message that is worth remembering
_QUESTION_TAIL = 4  # octets: QTYPE, QCLASS


class Wait(NamedTuple):
    """What became of a leak: how long its sender waited."""

    leak: Leak
    seconds: float | None  # until the response; None: none was seen in `PATIENCE`
    rcode: int | None  # the response's; None: there was none


@dataclass(slots=True)
class Counts:
    """What was seen that is no leak, or no more than a leak's second sight."""

    frames: int = 0  # handed in
    foreign: int = 0  # frames without a segment between a client and a sink's port 53
    malformed: int = 0  # messages that are none
    cut_short: int = 0  # queries of which the capture does not hold the question
    other_names: int = 0  # queries to a sink for what is not in a reserved zone, and NOTIFYs
    probes: int = 0  # our own
    copies: int = 0  # queries and responses that were captured on a second interface
    unmatched: int = 0  # responses whose query was not seen
    forgotten: int = 0  # queries that were too many to wait for their responses
    responses: int = 0  # that have found their query
    unfinished: int = 0  # queries without a response when the evidence ended, but not for `PATIENCE` yet


class _Pending(NamedTuple):
    at: float
    question: bytes
    leak: Leak


class _Settled(NamedTuple):
    """A query whose response has come."""

    at: float
    question: bytes
    answered: float  # when


_Peer = tuple[bytes, int, bytes, bytes]  # client, its port, server, message ID
_Connection = tuple[bytes, int, bytes, int]  # source, its port, destination, its port


@dataclass(slots=True)
class Traffic:
    """Pairs what is captured. Not more than one capture's, or one watch's, frames go into one."""

    via: Via
    report: Report
    report_wait: Callable[[Wait], None]
    counts: Counts = field(default_factory=Counts)
    _pending: OrderedDict[_Peer, _Pending] = field(default_factory=OrderedDict)  # the oldest first
    _oldest: float = 0.0  # when the oldest of them was sent, or earlier
    _settled: OrderedDict[_Peer, _Settled] = field(default_factory=OrderedDict)  # whose response came first, first
    _streams: OrderedDict[_Connection, Stream] = field(default_factory=OrderedDict)  # who was silent longest first

    def receive(self, frame: Frame) -> None:
        """Take the next frame; whatever it holds, nothing is raised."""
        self.counts.frames += 1
        at, link_type, octets, _ = frame
        segment = parse_segment(link_type, octets)
        if segment is None:
            self.counts.foreign += 1
            return
        take: _Take
        if segment.destination_port == PORT and find_sink(segment.destination) is not None:
            take = self._take_query
        elif segment.source_port == PORT and find_sink(segment.source) is not None:
            take = self._take_response
        else:
            self.counts.foreign += 1
            return
        if segment.tcp is None:
            take(at, segment, segment.payload, segment.missing)
        else:
            for message, missing in self._reassemble(segment, segment.tcp):
                take(at, segment, message, missing)

    def expire(self, now: float) -> None:
        """Say of whom no response came in time. `now`: unix seconds, of the clock that stamps the frames."""
        while self._pending:
            oldest = next(iter(self._pending.values()))
            self._oldest = oldest.at
            if abs(now - oldest.at) <= PATIENCE:  # of the future, where the clock was set back since
                return
            self._pending.popitem(last=False)
            self.report_wait(Wait(oldest.leak, None, None))

    def finish(self) -> None:
        """Close the book: the evidence has ended."""
        self.counts.unfinished += len(self._pending)
        self._pending.clear()
        self._settled.clear()
        self._streams.clear()

    def _reassemble(self, segment: Segment, tcp: TcpFields) -> list[Message]:
        key = (segment.source, segment.source_port, segment.destination, segment.destination_port)
        stream = self._streams.pop(key, None)
        if tcp.flags & RST:
            return []
        sequence = tcp.sequence
        if tcp.flags & SYN:
            sequence = (sequence + 1) & 0xFFFFFFFF
            stream = Stream(sequence)
        elif stream is None:
            if not segment.payload:
                return []
            stream = Stream(sequence)
        self._streams[key] = stream  # the last, even behind a FIN: its segment may come again
        if len(self._streams) > MAX_STREAMS:
            self._streams.popitem(last=False)
        return list(stream.receive(sequence, segment.payload, segment.missing))

    def _take_query(self, at: float, segment: Segment, octets: bytes, missing: int) -> None:
        asked = self._read(octets, missing)
        if asked is None:
            return
        sender, server, kind, sink = segment.source, segment.destination, asked.kind, find_sink(segment.destination)
        if kind is None or sink is None:
            if is_probe(asked.name):
                self.counts.probes += 1
            else:
                self.counts.other_names += 1
            return
        key = (sender, segment.source_port, server, octets[:_ID])
        before = self._pending.get(key)
        seen = self._settled.get(key) if before is None else before
        if seen is not None and seen.question == asked.question and abs(at - seen.at) < COPY_WINDOW:
            self.counts.copies += 1
            return
        if before is not None:
            del self._pending[key]
            self.report_wait(Wait(before.leak, None, None))
        block, _, shape, address = kind
        leak = Leak(at, self.via, _OBSERVED, block, sink, shape, asked.name, asked.qtype, address, None, sender, server)
        self.report(leak)
        if not self._pending:
            self._oldest = at
        self._pending[key] = _Pending(at, asked.question, leak)
        if abs(at - self._oldest) > PATIENCE:
            self.expire(at)
        if len(self._pending) > MAX_PENDING:
            self._pending.popitem(last=False)
            self.counts.forgotten += 1

    def _read(self, octets: bytes, missing: int) -> "_Asked | None":
        """Read a query; None: it is none, which was counted."""
        try:
            return _read_query(octets[_ID:]) if len(octets) <= _REMEMBERED else _Asked.of(parse_query(octets))
        except WireError:
            if missing:
                try:
                    return _Asked.of(_parse_beginning(octets))
                except WireError:
                    self.counts.cut_short += 1
                    return None
            self.counts.malformed += 1
            return None

    def _take_response(self, at: float, segment: Segment, octets: bytes, missing: int) -> None:
        if len(octets) < HEADER.size:
            self.counts.malformed += 1
            return
        flags = HEADER.unpack_from(octets)[1]
        if not flags & QR:
            self.counts.malformed += 1
            return
        key = (segment.destination, segment.destination_port, segment.source, octets[:_ID])
        pending = self._pending.get(key)
        if pending is not None and at >= pending.at and _is_to(pending.question, octets, missing):
            self._settle(key, pending, at)
            self.report_wait(Wait(pending.leak, at - pending.at, flags & _RCODE))
            return
        seen = self._settled.get(key)
        if seen is not None and abs(at - seen.answered) < COPY_WINDOW and _is_to(seen.question, octets, missing):
            self.counts.copies += 1
        else:
            self.counts.unmatched += 1

    def _settle(self, key: _Peer, pending: _Pending, at: float) -> None:
        """A query's response has come: what follows of either within `COPY_WINDOW` is a copy."""
        del self._pending[key]
        self.counts.responses += 1
        settled = self._settled
        settled[key] = _Settled(pending.at, pending.question, at)
        settled.move_to_end(key)
        while abs(at - next(iter(settled.values())).answered) >= COPY_WINDOW or len(settled) > MAX_SETTLED:
            settled.popitem(last=False)


_Take = Callable[
    [float, Segment, bytes, int], None
]  # when, in what, a message's octets, and how many of it are missing


class _Asked(NamedTuple):
    """What matters of a query."""

    question: bytes  # lower case, QNAME to QCLASS
    name: bytes  # lower case
    qtype: int
    kind: Kind | None  # None: no leak, as without a question, or a NOTIFY

    @classmethod
    def of(cls, query: Query) -> "_Asked":
        is_about_a_zone = bool(query.question) and query.opcode != Opcode.NOTIFY
        kind = classify(query.qname, query.qtype, query.qclass, query.opcode == Opcode.UPDATE)
        return cls(query.question.lower(), query.qname, query.qtype, kind if is_about_a_zone else None)


@lru_cache(
    8192
)  # resolvers ask for the same few names, octet for octet but for the ID: 0.3 us instead of 3; 8 MB at most
def _read_query(octets: bytes) -> _Asked:
    """Read a query without its ID. Raises WireError."""
    return _Asked.of(parse_query(bytes(_ID) + octets))


def _parse_beginning(octets: bytes) -> Query:
    """Read a query of which only the beginning is there, header and question at least. Raises WireError."""
    if len(octets) < HEADER.size:
        raise WireError("shorter than a header")
    message_id, flags, questions, *_ = HEADER.unpack_from(octets)
    end = find_name_end(octets, HEADER.size) + _QUESTION_TAIL
    # The gate looks at what is there, as if the records that are not had not been sent.
    return parse_query(HEADER.pack(message_id, flags, questions, 0, 0, 0) + octets[HEADER.size : end])


def _is_to(question: bytes, octets: bytes, missing: int) -> bool:
    """Say whether a response is to a question, as far as the capture shows; resolvers may change the case of a name."""
    if not HEADER.unpack_from(octets)[2]:
        return True  # errors may come without one, and so do responses to updates (RFC 2136 section 3.8)
    there = octets[HEADER.size : HEADER.size + len(question)].lower()
    return question == there or (missing > 0 and question.startswith(there))
