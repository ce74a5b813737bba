"""The datapaths, and how a test has one serve its sockets."""

import asyncio
from contextlib import asynccontextmanager

from doubles import EchoResponder, RecordingMeter

from blackhole_guard.server.datapath import PlainDatapath
from blackhole_guard.server.sockets import open_sockets

DATAPATHS = [PlainDatapath]  # a batch datapath answers to the same tests


@asynccontextmanager
async def serving(kind, *entries, own=frozenset(), responder=None):
    """A datapath on the sockets of `entries` (port 0 unless said)."""
    held = open_sockets(entries or ["127.0.0.1:0"], 53, 1)
    meter, responder = RecordingMeter(), responder or EchoResponder()
    served = kind(asyncio.get_running_loop(), responder, meter, own)
    for sock in held.slots[0].udp:
        served.add(sock)
    try:
        yield Served(served, responder, meter, held.slots[0].udp)
    finally:
        for sock in held.slots[0].udp:
            served.remove(sock)
        held.close()


class Served:
    def __init__(self, path, responder, meter, socks):
        self.path, self.responder, self.meter, self.socks = path, responder, meter, socks
        self.port = socks[0].getsockname()[1]

    def dropped(self, reason):
        return self.meter.counts["datagrams_dropped", reason]
