"""What `watch` tells the observer: the leaks that it sees on interfaces, and what became of them.

Messages are data frames of Frame Streams (`frame_streams`) with a content type of our own. They hold what was seen, and
the reader judges it anew: of what a sender says nothing becomes a label but blocks and sinks that there are.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Annotated, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from blackhole_guard.leaks.counts import UNREADABLE
from blackhole_guard.leaks.evidence import Certainty, EvidenceError, Leak, Sighting, Via, judge
from blackhole_guard.leaks.traffic import Wait
from blackhole_guard.reserved.registry import BLOCKS, Sink
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.reserved.sinks import find_sink
from blackhole_guard.wire.codes import RRClass
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.names import MAX_NAME, find_name_end

CONTENT_TYPE = b"blackhole-guard:watch:1"
# In a message, which so has 110 KiB at most: a frame may have 128.
MOST_LEAKS = 256
MOST_WAITS = 512
_LONGEST_WAIT = 60.0  # seconds; `watch` waits for 5
_LATEST = 2.0**40  # unix seconds: what a clock can say in earnest
_ADDRESSES = (4, 16)  # octets

_Address = Annotated[bytes, Meta(min_length=4, max_length=16)]
_Count = Annotated[int, Meta(ge=0, le=2**53)]


class Lost(NamedTuple):
    """What a watch could not tell of, since its message before."""

    frames: int = 0  # found no place in the kernel's ring
    reports: int = 0  # leaks that the observer did not take in time


class Report(NamedTuple):
    """A message."""

    leaks: list[Leak]
    waits: list["Became"]
    lost: Lost


class Became(NamedTuple):
    """What became of a leak."""

    sink: Sink
    block: str
    seconds: float | None  # until its response; None: there was none in time


class _Leak(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    at: float
    name: Annotated[bytes, Meta(max_length=MAX_NAME)]
    qtype: Annotated[int, Meta(ge=0, le=0xFFFF)]
    is_update: bool
    sender: _Address
    server: _Address


class _Wait(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    sink: Sink
    block: Annotated[str, Meta(max_length=64)]
    seconds: float | None


class _Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    leaks: Annotated[tuple[_Leak, ...], Meta(max_length=MOST_LEAKS)]
    waits: Annotated[tuple[_Wait, ...], Meta(max_length=MOST_WAITS)]
    lost_frames: _Count
    lost_reports: _Count


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Message)


def render_report(leaks: Sequence[Leak], waits: Sequence[Wait], lost: Lost) -> bytes:
    """Render a message.

    Args:
        leaks: MOST_LEAKS at most, with their sender and their server, which is a sink.
        waits: MOST_WAITS at most.
        lost: since the message before.
    """
    rows = [(leak.at, leak.name, leak.qtype, leak.shape is Shape.UPDATE, leak.sender, leak.server) for leak in leaks]
    became = [(wait.leak.sink, wait.leak.block, wait.seconds) for wait in waits]
    return _ENCODER.encode((rows, became, lost.frames, lost.reports))


def parse_report(octets: bytes) -> Report:
    """Read a message.

    Raises:
        EvidenceError: it is none. Of leaks that are none by our own judgement nothing is left, and nothing said.
    """
    try:
        message = _DECODER.decode(octets)
    except UNREADABLE as error:
        raise EvidenceError(str(error)) from error
    leaks = [leak for row in message.leaks if (leak := _judge(row)) is not None]
    return Report(leaks, [_check_wait(row) for row in message.waits], Lost(message.lost_frames, message.lost_reports))


def _judge(row: _Leak) -> Leak | None:
    try:
        is_whole = find_name_end(row.name, 0) == len(row.name)
    except WireError as error:
        raise EvidenceError(str(error)) from error
    is_right = len(row.sender) in _ADDRESSES and len(row.server) in _ADDRESSES and 0 <= row.at <= _LATEST
    if not (is_whole and is_right) or find_sink(row.server) is None:
        raise EvidenceError("a leak that cannot be")
    sighting = Sighting(
        row.at,
        Via.PACKETS,
        row.name.lower(),
        row.qtype,
        RRClass.IN,
        row.is_update,
        sender=row.sender,
        server=row.server,
    )
    return judge(sighting, Certainty.OBSERVED)


def _check_wait(row: _Wait) -> Became:
    seconds = row.seconds
    is_time = seconds is None or (isfinite(seconds) and 0 <= seconds <= _LONGEST_WAIT)
    if row.block not in BLOCKS or not is_time:
        raise EvidenceError("a wait that cannot be")
    return Became(row.sink, row.block, seconds)


class Keeper(Protocol):
    """Is told of leaks: `app.leak_keeper`."""

    def expect(self, via: Via) -> None:
        """Prepare for a kind of evidence."""

    def add(self, leak: Leak) -> None:
        """Count a leak."""

    def settle(self, via: Via, sink: Sink, block: str, seconds: float | None) -> None:
        """Count what became of one."""


class WatchReports:
    """Takes the messages of any number of watches."""

    def __init__(self, keeper: Keeper) -> None:
        self.messages = 0
        self.malformed = 0  # frames that are no messages
        self.lost = Lost()
        self._keeper = keeper

    def take(self, frame: bytes, now: float, producer: int = 0) -> None:
        """Take one frame. When, and by which connection, does not matter."""
        try:
            report = parse_report(frame)
        except EvidenceError:
            self.malformed += 1
            return
        if not self.messages:
            self._keeper.expect(Via.PACKETS)
        self.messages += 1
        self.lost = Lost(self.lost.frames + report.lost.frames, self.lost.reports + report.lost.reports)
        for leak in report.leaks:
            self._keeper.add(leak)
        for sink, block, seconds in report.waits:
            self._keeper.settle(Via.PACKETS, sink, block, seconds)

    def tick(self, now: float) -> None:
        """Nothing is due."""
