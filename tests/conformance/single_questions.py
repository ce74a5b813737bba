"""One message, one socket: what comes back, or that nothing does. Many of them at once."""

import asyncio
import socket
import struct
from collections.abc import Sequence

Address = tuple[str, int]
CONNECTIONS = 8  # at once: servers bound how many one client may have


async def ask_each(
    address: Address, messages: Sequence[bytes], *, tcp: bool, seconds: float = 1.0
) -> list[bytes | None]:
    """Send each message from a socket of its own, all at once.

    Args:
        seconds: how long to wait for each. Who sends nothing, closes, or is silent has given no response.
    """
    if not tcp:
        return list(await asyncio.gather(*(_ask_by_udp(address, message, seconds) for message in messages)))
    free = asyncio.Semaphore(CONNECTIONS)
    return list(await asyncio.gather(*(_ask_by_tcp(address, message, seconds, free) for message in messages)))


async def _ask_by_udp(address: Address, message: bytes, seconds: float) -> bytes | None:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(address)
        sock.send(message)
        try:
            async with asyncio.timeout(seconds):
                return await loop.sock_recv(sock, 65536)
        except TimeoutError:
            return None


async def _ask_by_tcp(address: Address, message: bytes, seconds: float, free: asyncio.Semaphore) -> bytes | None:
    try:
        async with free, asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(*address)
            try:
                writer.write(struct.pack("!H", len(message)) + message)
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                return await reader.readexactly(length)
            finally:
                writer.close()
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        return None


def numbered(messages: Sequence[bytes]) -> list[bytes]:
    """Give each message an ID of its own, as far as it has room for one."""
    return [struct.pack("!H", number)[: len(octets)] + octets[2:] for number, octets in enumerate(messages, 1)]
