"""UDP: from the sockets to the responder and back. Here: what every datapath gives, and how it names its failures.

What is not answered is counted by reason; nothing that a client or the network does raises out of a datapath, blocks,
or keeps the loop from its other work for long.
"""

import errno
import socket
from collections.abc import Callable
from typing import Protocol

from blackhole_guard.server.direct_loop import DirectLoop
from blackhole_guard.server.roles import Meter, Responder

Own = frozenset[tuple[bytes, int]]  # addresses and ports that our sockets are bound to

_REASONS = {
    errno.EAGAIN: "full",
    errno.ENOBUFS: "full",
    errno.ENOMEM: "full",
    errno.ECONNREFUSED: "refused",
    errno.EPERM: "refused",  # a packet filter
    errno.EACCES: "refused",  # a broadcast address
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",  # the address that was asked is no longer ours
    errno.ENODEV: "unreachable",
}


def find_send_reason(number: int | None) -> str:
    """Name the reason (of roles.SEND_REASONS) that an errno stands for."""
    return _REASONS.get(number or 0, "other")


class Datapath(Protocol):
    """Serves UDP sockets in an event loop."""

    @property
    def received(self) -> int:
        """How many datagrams came so far, answered or not."""

    def add(self, sock: socket.socket) -> None:
        """Begin to serve a socket; it stays its owner's."""

    def remove(self, sock: socket.socket) -> None:
        """Stop serving a socket; what waits in it stays there."""

    def drain(self, seconds: float) -> None:
        """Serve what waits in the sockets by now, for no longer than that, without the loop."""


MakeDatapath = Callable[[DirectLoop, Responder, Meter, Own], Datapath]
