"""The receiver of Frame Streams: takes connections of resolvers (dnstap), or of `watch`, and hands their frames on.

A producer never waits for it: what it cannot get rid of, it drops. So nothing here hurries: of each producer one buffer
is read in a turn of the loop, and HTTP has its turn between.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from struct import Struct
from time import monotonic
from typing import Protocol

from blackhole_guard.leaks.frame_streams import DNSTAP, Refused, Stream, StreamError

HANDSHAKE_SECONDS = 5.0  # from the connection to START
FRAME_SECONDS = 30.0  # from a frame's first octet to its last
_TICK = 1.0  # seconds
_IDLE_TICKS = 3  # without a producer, in which `frames` may still have something to do; then nothing wakes us up
_REST = 1.0  # seconds without accepting when there is no descriptor to accept with
_BUFFER = 64 * 1024  # octets: with 16 producers 1 MiB a turn
_CREDENTIALS = Struct("iII")  # struct ucred: pid, uid, gid (unix(7))

# Why a producer was sent away.
REFUSALS = ("uid", "full", *(why.value for why in Refused), "timeout")


@dataclass(frozen=True, slots=True)
class Channel:
    """What is received, and how the log calls it."""

    name: str
    content_type: bytes  # of the streams
    users: str  # the setting that names the users whose processes may send
    producers: str  # what limits the connections


DNSTAP_CHANNEL = Channel("dnstap", DNSTAP, "leaks.dnstap.users", "leaks.dnstap.producers")


class Frames(Protocol):
    """Takes frames: a `leaks.dnstap_join.Tracer`, or a `leaks.watch_reports.WatchReports`."""

    def take(self, frame: bytes, now: float, producer: int) -> None:
        """Take one frame. `now`: monotonic seconds; `producer`: a number that no other connection has."""

    def tick(self, now: float) -> None:
        """Do what is due: about once a second while there are producers, and a few times after the last has left."""


class ReceiverLog(Protocol):
    """Says what an operator should know."""

    def info(self, event: str, **fields: object) -> None:
        """Log what went as it should."""

    def warning(self, event: str, **fields: object) -> None:
        """Log what did not."""


class FrameReceiver:
    """Listens, and keeps the connections."""

    def __init__(
        self,
        channel: Channel,
        listener: socket.socket,
        uids: frozenset[int],
        limit: int,
        frames: Frames,
        log: ReceiverLog,
    ) -> None:
        """Prepare.

        Args:
            channel: what is received.
            listener: a listening unix stream socket; it outlives the receiver.
            uids: of the users whose processes may send.
            limit: connections at once.
            frames: takes what they send.
            log: for who comes and who is sent away.
        """
        self.refused = dict.fromkeys(REFUSALS, 0)
        self._channel = channel
        self._listener = listener
        self._uids = uids
        self._limit = limit
        self._frames = frames
        self._log = log
        self._buffer = bytearray(_BUFFER)  # of all: what is in it is handed on at once
        self._producers: dict[_Producer, None] = {}  # in the order in which they came
        self._numbers = count()  # for them
        self._arrived = asyncio.Event()  # one came since it was cleared

    @property
    def producers(self) -> int:
        """Producers that are connected, and have shown that they speak as they should."""
        return sum(producer.stream.is_open for producer in self._producers)

    async def run(self) -> None:
        """Receive until cancelled."""
        self._listener.setblocking(False)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._accept(), name=f"{self._channel.name}: accept")
            group.create_task(self._watch(), name=f"{self._channel.name}: watch")

    def close(self) -> None:
        """Hang up on all; they come again when somebody listens."""
        for producer in list(self._producers):
            producer.hang_up()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except ConnectionAbortedError:
                continue
            except OSError as error:  # no descriptor is left
                self._log.warning(f"{self._channel.name}: no connection can be taken", error=error.strerror)
                await asyncio.sleep(_REST)
                continue
            pid, uid, _ = _CREDENTIALS.unpack(
                connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            )
            if uid not in self._uids:
                self._refuse("uid", f"its user is not in {self._channel.users}", pid, uid)
                connection.close()
            elif self._make_room():
                await self._connect(connection, pid, uid)
            else:
                self._refuse("full", f"{self._limit} others are connected ({self._channel.producers})", pid, uid)
                connection.close()

    def _make_room(self) -> bool:
        """See that one more may connect: who has not shown yet what it speaks goes for a newcomer."""
        if len(self._producers) < self._limit:
            return True
        for producer in self._producers:
            if not producer.stream.is_open:
                producer.give_up("full", "others came, and it had said nothing yet")
                del self._producers[producer]
                return True
        return False

    async def _connect(self, connection: socket.socket, pid: int, uid: int) -> None:
        loop = asyncio.get_running_loop()
        stream = Stream(self._channel.content_type)
        producer = _Producer(next(self._numbers), stream, self._buffer, self._frames, self._forget, pid, uid)
        self._producers[producer] = None
        self._arrived.set()
        try:
            await loop.connect_accepted_socket(lambda: producer, connection)
        except OSError:
            self._producers.pop(producer, None)
            connection.close()

    async def _watch(self) -> None:
        """Send away who takes too long, and let `frames` do what is due."""
        last, idle = monotonic(), 0
        while True:
            if idle > _IDLE_TICKS:
                await self._arrived.wait()
                last = monotonic()
            await asyncio.sleep(_TICK)
            now = monotonic()
            if now - last > 3 * _TICK:  # we were late ourselves: stopped, or starved
                for producer in self._producers:
                    producer.excuse(now - last)
            last = now
            for producer in [each for each in self._producers if each.is_overdue(now)]:
                producer.give_up("timeout", "it did not finish what it had begun")
            self._frames.tick(now)
            idle = 0 if self._producers or self._arrived.is_set() else idle + 1
            self._arrived.clear()

    def _forget(self, producer: "_Producer", why: str | None, what: str) -> None:
        self._producers.pop(producer, None)
        if why is not None:
            self._refuse(why, what, producer.pid, producer.uid)
        elif producer.stream.is_open:
            self._log.info(f"{self._channel.name}: a producer has left", pid=producer.pid, uid=producer.uid)

    def _refuse(self, why: str, what: str, pid: int, uid: int) -> None:
        self.refused[why] += 1
        self._log.warning(f"{self._channel.name}: a producer was sent away", reason=what, pid=pid, uid=uid)


class _Producer(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(
        self,
        number: int,
        stream: Stream,
        buffer: bytearray,
        frames: Frames,
        forget: Callable[["_Producer", str | None, str], None],
        pid: int,
        uid: int,
    ) -> None:
        self.stream = stream
        self.pid, self.uid = pid, uid
        self._number = number
        self._buffer = buffer
        self._take = frames.take
        self._forget = forget
        self._deadline: float | None = monotonic() + HANDSHAKE_SECONDS
        self._why: str | None = None
        self._what = ""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        now = monotonic()
        octets, advanced = bytes(memoryview(self._buffer)[:nbytes]), False
        try:
            while frames := self.stream.receive(octets):
                for frame in frames:
                    self._take(frame, now, self._number)
                octets, advanced = b"", True
        except StreamError as error:
            self.give_up(error.why.value, str(error))
            return
        if replies := self.stream.take_replies():
            self._transport.write(replies)  # 50 octets in all, once: there is nothing to wait for
        if self.stream.is_finished:
            self.hang_up()
        elif self.stream.is_open:
            self._set_deadline(advanced, now)

    def _set_deadline(self, advanced: bool, now: float) -> None:
        if not self.stream.is_inside_frame:
            self._deadline = None
        elif self._deadline is None or advanced:
            self._deadline = now + FRAME_SECONDS

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget(self, self._why, self._what)

    def is_overdue(self, now: float) -> bool:
        """Whether it took too long. `now`: monotonic seconds."""
        return self._deadline is not None and now >= self._deadline

    def excuse(self, seconds: float) -> None:
        """Give it more time."""
        if self._deadline is not None:
            self._deadline += seconds

    def give_up(self, why: str, what: str) -> None:
        """Send it away."""
        self._why, self._what = why, what
        self._transport.abort()

    def hang_up(self) -> None:
        """Close when all is sent."""
        self._transport.close()
