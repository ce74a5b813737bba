"""A TCP service to test, and clients of it, good and bad."""

import asyncio
import socket
import struct
import time
from contextlib import asynccontextmanager

from doubles import QUERY, EchoResponder, RecordingMeter

from blackhole_guard.server.sockets import open_sockets
from blackhole_guard.server.tcp import TcpService

PATIENT = {"first_query": 30, "idle": 30, "message": 30, "write_stall": 30, "lifetime": 60}


def frame(message):
    return len(message).to_bytes(2, "big") + message


def query(number, more=b""):
    return number.to_bytes(2, "big") + QUERY[2:] + more


class Served:
    def __init__(self, service, responder, meter, listener):
        self.service, self.responder, self.meter, self.listener = service, responder, meter, listener
        self.address = listener.getsockname()

    def closed(self, reason):
        return self.counted("tcp_closed", reason)

    def counted(self, name, reason=""):
        self.service.fold()
        return self.meter.counts[name, reason]

    async def connect(self, source=None, receive_buffer=None):
        client = socket.socket(self.listener.family, socket.SOCK_STREAM)
        client.setblocking(False)
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            client.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(client, self.address)
        return client


@asynccontextmanager
async def serving(entry="127.0.0.1:0", most=10_000, **limits):
    """A TCP service on one address; the limits are those of TcpSettings."""
    held = open_sockets([entry], 53, 1)
    responder, meter = EchoResponder(**limits), RecordingMeter()
    service = TcpService(asyncio.get_running_loop(), responder, meter, most)
    service.add(held.slots[0].tcp[0])
    try:
        yield Served(service, responder, meter, held.slots[0].tcp[0])
    finally:
        await service.finish(0.5)
        held.close()
        assert not len(service)
        assert meter.gauges.get("tcp_connections", 0) == 0
        assert meter.counts["tcp_accepted", ""] == sum(
            count for (name, _), count in meter.counts.items() if name == "tcp_closed"
        )


async def read_message(client, seconds=5.0):
    """Read one message; None: the server closed."""
    async with asyncio.timeout(seconds):
        octets = b""
        while len(octets) < 2 or len(octets) < 2 + int.from_bytes(octets[:2], "big"):
            wanted = 2 - len(octets) if len(octets) < 2 else 2 + int.from_bytes(octets[:2], "big") - len(octets)
            part = await asyncio.get_running_loop().sock_recv(client, wanted)
            if not part:
                assert not octets, "closed in the middle of a message"
                return None
            octets += part
        return octets[2:]


async def send(client, octets):
    await asyncio.get_running_loop().sock_sendall(client, octets)


async def seconds_until_closed(client, start=None):
    """How long it took from `start`, or from now, until the server closed."""
    start = time.monotonic() if start is None else start
    async with asyncio.timeout(30):
        try:
            while await asyncio.get_running_loop().sock_recv(client, 65536):
                pass
        except ConnectionResetError:
            pass
    return time.monotonic() - start


async def assert_closed_between(served, client, start, earliest, latest):
    """Fail if the server closes before `earliest` seconds from `start`, or has not at `latest` seconds from now.

    The latter by a timer in the server's own loop: what holds the machine up delays both.
    """
    for _ in range(3):  # what has been sent is read by now
        await asyncio.sleep(0)
    late = []
    timer = asyncio.get_running_loop().call_later(latest, lambda: late.append(len(served.service)))
    assert await seconds_until_closed(client, start) > earliest
    timer.cancel()
    assert not any(late)


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
