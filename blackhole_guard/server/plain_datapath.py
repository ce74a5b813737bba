"""UDP by the calls that every system has: one datagram a system call."""

import socket
from time import monotonic
from typing import Any

from blackhole_guard.server import system
from blackhole_guard.server.clients import find_drop_reason, pack_address
from blackhole_guard.server.datapath import find_send_reason
from blackhole_guard.server.roles import Transport
from blackhole_guard.server.udp_sockets import UdpSockets
from blackhole_guard.server.way_back import NOTHING_SAID, Control, Reader, WayBack

BATCH = 64  # datagrams of one socket before the loop gets its turn: about 5 ms of work
LARGEST = 4096  # octets; no query comes near it, and more is not read
_CONTROL = socket.CMSG_SPACE(system.TIMESPEC.size) + socket.CMSG_SPACE(system.IN6_PKTINFO.size)


class PlainDatapath(UdpSockets):
    """A Datapath of recvmsg(2) and sendmsg(2)."""

    def _serve(self, reader: Reader) -> bool:
        """Answer up to BATCH datagrams; returns whether there may be more.

        An exception of the responder costs its datagram alone: it reaches the loop's exception handler, and the loop
        calls again for what is left in the socket.
        """
        self._responder.refresh()
        start: float | None = monotonic()  # the first of a turn is the sample: each one when there are few
        for _ in range(BATCH):
            try:
                octets, control, flags, sender = reader.sock.recvmsg(LARGEST, _CONTROL)
            except BlockingIOError:
                reader.stop_stamps()
                return False
            except OSError:
                self._pause(reader)
                return False
            self.received += 1
            source = pack_address(sender[0])
            back = reader.read_control(control) if control else NOTHING_SAID
            reason = self._find_drop_reason(reader, source, sender[1], flags, back)
            if reason is not None:
                self._meter.add("datagrams_dropped", reason)
                continue
            response = self._responder.respond(octets, source, Transport.UDP)
            if response is not None and self._send(reader.sock, response, back.control, sender) and start is not None:
                self._meter.observe(monotonic() - start)
                start = None
            self._responder.settle()
        return True

    def _find_drop_reason(self, reader: Reader, source: bytes, port: int, flags: int, back: WayBack) -> str | None:
        if flags & socket.MSG_TRUNC:
            return "truncated"
        if back.stale:
            return "stale"
        if (source, port) in self._own or (source == back.asked and port == reader.wildcard_port):
            return "own_address"
        return find_drop_reason(source, port)

    def _send(self, sock: socket.socket, response: bytes, control: Control, to: Any) -> bool:
        """Send one response. One that cannot be sent is dropped and counted: the client asks again."""
        try:
            sock.sendmsg((response,), control, 0, to)
        except OSError as error:
            self._meter.add("responses_unsent", find_send_reason(error.errno))
            return False
        return True
