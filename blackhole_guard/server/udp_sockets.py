"""The UDP sockets that a datapath serves, and when it reads them."""

import socket
from abc import ABC, abstractmethod
from time import monotonic

from blackhole_guard.server.datapath import Own
from blackhole_guard.server.direct_loop import DirectLoop
from blackhole_guard.server.roles import Meter, Responder
from blackhole_guard.server.way_back import Reader

_PAUSE = 0.1  # seconds without reading a socket that fails, or it would fail in a tight loop


class UdpSockets(ABC):
    """The part of a Datapath that is the same however datagrams are received: whose turn it is."""

    def __init__(self, loop: DirectLoop, responder: Responder, meter: Meter, own: Own) -> None:
        self._loop = loop
        self._responder = responder
        self._meter = meter
        self._own = own
        self._readers: dict[socket.socket, Reader] = {}
        self.received = 0

    def add(self, sock: socket.socket) -> None:
        """Begin to serve a socket."""
        reader = self._readers[sock] = Reader(sock)
        self._loop.serve(sock, self._serve, reader)

    def remove(self, sock: socket.socket) -> None:
        """Stop serving a socket."""
        del self._readers[sock]
        self._loop.leave(sock)

    def drain(self, seconds: float) -> None:
        """Serve what waits in the sockets by now."""
        deadline = monotonic() + seconds
        for reader in self._readers.values():
            while monotonic() < deadline and self._serve(reader):
                pass

    @abstractmethod
    def _serve(self, reader: Reader) -> bool:
        """Answer what waits in a socket, as much of it as goes into one turn; returns whether there may be more."""

    def _pause(self, reader: Reader) -> None:
        """Let a socket rest that could not be read."""
        self._meter.add("receive_errors")
        self._loop.leave(reader.sock)
        self._loop.call_later(_PAUSE, self._resume, reader)

    def _resume(self, reader: Reader) -> None:
        if self._readers.get(reader.sock) is reader:
            self._loop.serve(reader.sock, self._serve, reader)
