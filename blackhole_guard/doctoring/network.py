"""Questions over the network: UDP first, TCP where a reply is truncated. What is asked, and when, `leaks` decides."""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence

from blackhole_guard.doctoring.resolvers import Resolver
from blackhole_guard.leaks.doctor import Examination, Examined
from blackhole_guard.leaks.exchanges import Exchanges, Limits
from blackhole_guard.leaks.verdicts import Known

_AT_ONCE = 8  # resolvers
_AT_A_TIME = 256  # datagrams: more than we have questions open, so that a flood of them does not keep us from asking
_LARGEST = 65535  # octets of a datagram


async def examine_all(
    resolvers: Sequence[Resolver],
    known: Known,
    *,
    limits: Limits | None = None,
    on_done: Callable[[Resolver, Examined], None] | None = None,
) -> list[Examined]:
    """Examine resolvers, several at once; what cannot be reached is a finding, not an error.

    Args:
        on_done: called as soon as one is examined.
    Returns:
        What was found, in the order of `resolvers`.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def run(resolver: Resolver) -> Examined:
        async with gate:
            examined = await examine(resolver, known, limits or Limits())
        if on_done is not None:
            on_done(resolver, examined)
        return examined

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(resolver), name=f"examine {resolver}") for resolver in resolvers]
    return [task.result() for task in tasks]


async def examine(resolver: Resolver, known: Known, limits: Limits) -> Examined:
    """Examine one resolver."""
    clock = asyncio.get_running_loop().time
    examination = Examination(known, os.urandom, clock(), limits=limits)
    await _Conversation(resolver, examination.exchanges, sum(limits.patience)).run()
    return examination.conclude(clock())


class _Conversation:
    """The sockets of one examination."""

    def __init__(self, resolver: Resolver, exchanges: Exchanges, patience: float) -> None:
        self._resolver = resolver
        self._exchanges = exchanges
        self._patience = patience  # seconds for one question over TCP
        self._clock = asyncio.get_running_loop().time
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Ask until there is nothing left to ask."""
        loop = asyncio.get_running_loop()
        try:
            udp = _connect(self._resolver)
        except OSError as error:
            self._exchanges.fail(f"cannot be reached: {error.strerror or error}", self._clock())
            return
        with udp:
            loop.add_reader(udp, self._woken.set)
            try:
                async with asyncio.TaskGroup() as group:
                    for stream in await self._ask(udp, group):
                        stream.cancel()
            finally:
                loop.remove_reader(udp)

    async def _ask(self, udp: socket.socket, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Send what is due, and wait for what comes or for the next deadline, until it is over; gives what runs yet."""
        streams: list[asyncio.Task[None]] = []
        while True:
            # What has come was in time, even if we had no time to look: it counts before anybody's patience ends.
            self._receive(udp)
            for transmission in self._exchanges.due(self._clock()):
                if transmission.over_tcp:
                    streams.append(group.create_task(self._ask_over_tcp(transmission.octets), name="over TCP"))
                else:
                    self._send(udp, transmission.octets)
            deadline = self._exchanges.deadline()
            if deadline is None:
                return streams
            self._woken.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def _send(self, udp: socket.socket, octets: bytes) -> None:
        try:
            udp.send(octets)
        except BlockingIOError:
            pass  # as if it were lost on the way: it is sent again
        except OSError as error:
            self._fail(error)

    def _receive(self, udp: socket.socket) -> None:
        """Take in the datagrams that have come, and ICMP errors, such as that nobody listens there."""
        for _ in range(_AT_A_TIME):
            try:
                self._exchanges.receive(udp.recv(_LARGEST), self._clock(), over_tcp=False)
            except BlockingIOError:
                return
            except OSError as error:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        """Take in that the resolver cannot be reached; once somebody answered there, it is a matter of patience."""
        if not self._exchanges.heard:
            self._exchanges.fail(f"cannot be reached: {error.strerror or type(error).__name__}", self._clock())

    async def _ask_over_tcp(self, octets: bytes) -> None:
        try:
            async with asyncio.timeout(self._patience):
                reply = await self._exchange_over_tcp(octets)
        except (OSError, EOFError, TimeoutError) as error:
            self._exchanges.lose(octets, f"truncated, and no answer over TCP: {type(error).__name__}", self._clock())
        else:
            self._exchanges.receive(reply, self._clock(), over_tcp=True)
        self._woken.set()

    async def _exchange_over_tcp(self, octets: bytes) -> bytes:
        """Ask one question on a connection of its own (RFC 7766); raises OSError or EOFError."""
        reader, writer = await asyncio.open_connection(self._resolver.address, self._resolver.port)
        try:
            writer.write(len(octets).to_bytes(2, "big") + octets)
            await writer.drain()
            return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        finally:
            writer.close()


def _connect(resolver: Resolver) -> socket.socket:
    """Open a UDP socket that takes in the resolver's own datagrams alone, and is told when nobody listens there.

    Raises:
        OSError: there is no way to it.
    """
    ((family, kind, protocol, _, remote), *_) = socket.getaddrinfo(
        resolver.address, resolver.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )
    udp = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    try:
        udp.connect(remote)
    except OSError:
        udp.close()
        raise
    return udp
