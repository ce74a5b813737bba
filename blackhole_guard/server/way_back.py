"""What the control messages of a datagram say: how long it waited, and how its response gets back.

ip(7) and ipv6(7) for the addresses, socket(7) for the time stamps.
"""

import socket
from time import time_ns
from typing import NamedTuple

from blackhole_guard.server import system
from blackhole_guard.server.clients import unmap_address
from blackhole_guard.server.sockets import is_wildcard

STALE = 2  # seconds; the client has asked again by then, and elsewhere

Control = list[tuple[int, int, bytes]]  # level, type, data of each control message


class WayBack(NamedTuple):
    """What the control messages of a datagram say."""

    asked: bytes  # the address of ours that was asked; empty: not said
    stale: bool  # it has waited too long
    control: Control  # makes the response leave from the address that was asked


NOTHING_SAID = WayBack(b"", False, [])


class Reader:
    """One socket, and how to read its control messages."""

    __slots__ = ("family", "sock", "stamped", "wildcard_port")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.family = sock.family
        self.wildcard_port = sock.getsockname()[1] if is_wildcard(sock) else None
        self.stamped = True  # by the kernel, when a datagram comes: it may be

    def read_control(self, control: Control) -> WayBack:
        """Read what came with a datagram: when it came, and to which address."""
        asked, stale, reply = b"", False, []
        for level, kind, data in control:
            if level == socket.SOL_SOCKET and kind == system.SCM_TIMESTAMPNS:
                self.stamped = True
                seconds, nanoseconds = system.TIMESPEC.unpack(data)
                stale = time_ns() - (seconds * 1_000_000_000 + nanoseconds) > STALE * 1_000_000_000
            elif level == socket.IPPROTO_IP and kind == system.IP_PKTINFO:
                # For a broadcast this is our address, while the header has the broadcast's. Interface 0: routes decide.
                asked = system.IN_PKTINFO.unpack(data)[1]
                reply.append((level, kind, system.IN_PKTINFO.pack(0, asked, bytes(4))))
            elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                asked, interface = system.IN6_PKTINFO.unpack(data)
                if asked[0] == 0xFF:  # a multicast address cannot be a source: the kernel chooses one
                    continue
                # A link-local address says nothing without its interface; for others routes decide.
                link_local = asked[0] == 0xFE and asked[1] & 0xC0 == 0x80
                reply.append((level, kind, system.IN6_PKTINFO.pack(asked, interface if link_local else 0)))
        return WayBack(unmap_address(asked), stale, reply)

    def stop_stamps(self) -> None:
        """Have the kernel note arrivals no longer: the queue is empty, so from here on nothing waits."""
        if self.stamped:
            self.sock.setsockopt(socket.SOL_SOCKET, system.SO_TIMESTAMPNS, 0)
            self.stamped = False
