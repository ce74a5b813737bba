"""Many queries at once to one server: a window of datagrams on a few sockets, pipelined batches over TCP.

Each response is matched by its message ID, on the socket that asked. A query that stays unanswered is sent again, as a
resolver would do; `lost` counts those first tries.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

SOCKETS = 4
WINDOW = 24  # datagrams in flight on one socket: far below what the smallest receive buffer holds
PIPELINED = 50  # queries on one TCP connection
CONNECTIONS = 4
SECONDS = 2.0  # for one try
TRIES = 3


@dataclass
class Exchange:
    """What came of some queries to one server: number of the query -> response."""

    responses: dict[int, bytes] = field(default_factory=dict)
    lost: int = 0


async def exchange(
    address: tuple[str, int], udp: Sequence[tuple[int, bytes]], tcp: Sequence[tuple[int, bytes]]
) -> Exchange:
    """Send all queries, each (its number, which is its ID too; its octets).

    Returns:
        The responses that came; a number that is not among them got none in three tries.
    """
    result = Exchange()
    async with asyncio.TaskGroup() as group:
        for lane in range(SOCKETS):
            group.create_task(_ask_by_udp(address, deque(udp[lane::SOCKETS]), result))
        batches = deque(tcp[start : start + PIPELINED] for start in range(0, len(tcp), PIPELINED))
        for _ in range(CONNECTIONS):
            group.create_task(_ask_by_tcp(address, batches, result))
    return result


async def _ask_by_udp(address: tuple[str, int], waiting: deque[tuple[int, bytes]], result: Exchange) -> None:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(address)
        pending: dict[int, tuple[float, int, bytes]] = {}  # number -> when to give up, tries left, octets
        tries = {number: TRIES for number, _ in waiting}
        readable = asyncio.Event()
        loop.add_reader(sock, readable.set)
        try:
            while waiting or pending:
                while waiting and len(pending) < WINDOW:
                    number, octets = waiting.popleft()
                    tries[number] -= 1
                    pending[number] = (loop.time() + SECONDS, tries[number], octets)
                    sock.send(octets)
                await _wait(readable, 0.2)
                _receive(sock, pending, result)
                _give_up(pending, waiting, result, loop.time())
        finally:
            loop.remove_reader(sock)


async def _wait(readable: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await readable.wait()
    except TimeoutError:
        return
    readable.clear()


def _receive(sock: socket.socket, pending: dict[int, tuple[float, int, bytes]], result: Exchange) -> None:
    while True:
        try:
            octets = sock.recv(65536)
        except BlockingIOError:
            return
        number = int.from_bytes(octets[:2], "big")
        if pending.pop(number, None) is not None:
            result.responses[number] = octets


def _give_up(
    pending: dict[int, tuple[float, int, bytes]], waiting: deque[tuple[int, bytes]], result: Exchange, now: float
) -> None:
    for number in [number for number, (until, _, _) in pending.items() if until < now]:
        _, left, octets = pending.pop(number)
        result.lost += left == TRIES - 1
        if left:
            waiting.append((number, octets))


async def _ask_by_tcp(address: tuple[str, int], batches: deque[Sequence[tuple[int, bytes]]], result: Exchange) -> None:
    while batches:
        batch = batches.popleft()
        async with asyncio.timeout(30):
            reader, writer = await asyncio.open_connection(*address)
            try:
                writer.write(b"".join(struct.pack("!H", len(octets)) + octets for _, octets in batch))
                await writer.drain()
                for _ in batch:
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    octets = await reader.readexactly(length)
                    result.responses[int.from_bytes(octets[:2], "big")] = octets
            except (asyncio.IncompleteReadError, ConnectionError):
                pass  # who does not answer everything is told by what is missing
            finally:
                writer.close()
