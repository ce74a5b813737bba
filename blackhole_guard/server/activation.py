"""Sockets that systemd opened for us (sd_listen_fds(3)): then nothing here needs a privilege.

An address may come with one socket, which all workers then share, or with several that systemd opened with
ReusePort=yes: these are dealt out, and each is read by at least one worker, because the kernel sends clients to all.
"""

import os
import socket
from collections.abc import MutableMapping

from blackhole_guard.server.listen import ListenError
from blackhole_guard.server.sockets import (
    HeldSockets,
    SlotSockets,
    is_wildcard,
    local_endpoint,
    set_tcp_options,
    set_udp_options,
)

_FIRST = 3  # SD_LISTEN_FDS_START
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def take_activated(environ: MutableMapping[str, str], slots: int) -> HeldSockets | None:
    """Take over the sockets that systemd passed to this process.

    Args:
        environ: os.environ; the variables are removed, so that no child takes the sockets for its own.
        slots: how many workers there will be.
    Returns:
        The sockets, dealt out to the slots; None: none were passed to this process.
    Raises:
        ListenError: with a line for each socket that cannot serve DNS.
    """
    pid, count, names = (environ.pop(variable, "") for variable in _VARIABLES)
    if pid != str(os.getpid()) or not count.isdecimal() or int(count) == 0:
        return None
    labels = names.split(":")
    problems: list[str] = []
    warnings: dict[str, None] = {}
    groups: dict[tuple[socket.SocketKind, str], list[socket.socket]] = {}
    for index in range(int(count)):
        label = labels[index] if index < len(labels) and labels[index] else f"number {index}"
        try:
            sock = _take(_FIRST + index, warnings)
        except (OSError, ValueError) as error:
            problems.append(f"the socket {label!r} from systemd cannot be served: {error}")
            continue
        groups.setdefault((sock.type, local_endpoint(sock)), []).append(sock)
    if problems:
        for group in groups.values():
            for sock in group:
                sock.close()
        raise ListenError(problems)
    return _deal(groups, slots, [*warnings, *_lone(groups)])


def _take(descriptor: int, warnings: dict[str, None]) -> socket.socket:
    """Make a socket of ours of a descriptor. Raises OSError, ValueError."""
    os.set_inheritable(descriptor, False)  # fork keeps it, exec does not
    sock = socket.socket(fileno=descriptor)
    try:
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            raise ValueError("it is neither IPv4 nor IPv6")
        if sock.type == socket.SOCK_DGRAM:
            warnings.update(dict.fromkeys(set_udp_options(sock, is_wildcard(sock))))
        elif sock.type != socket.SOCK_STREAM:
            raise ValueError("it is neither UDP nor TCP")
        elif not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise ValueError("it does not listen; a socket unit for us has no Accept=yes")
        else:
            set_tcp_options(sock)
    except (OSError, ValueError):
        sock.close()
        raise
    return sock


def _deal(
    groups: dict[tuple[socket.SocketKind, str], list[socket.socket]], slots: int, warnings: list[str]
) -> HeldSockets:
    """Give each slot a socket of each group, and each socket a slot."""
    dealt: list[dict[socket.SocketKind, list[socket.socket]]] = [
        {socket.SOCK_DGRAM: [], socket.SOCK_STREAM: []} for _ in range(slots)
    ]
    for (kind, _), group in groups.items():
        for turn in range(max(slots, len(group))):
            dealt[turn % slots][kind].append(group[turn % len(group)])
    return HeldSockets(
        slots=tuple(
            SlotSockets(slot, tuple(hand[socket.SOCK_DGRAM]), tuple(hand[socket.SOCK_STREAM]))
            for slot, hand in enumerate(dealt)
        ),
        addresses=tuple(dict.fromkeys(address for _, address in groups)),
        warnings=tuple(warnings),
    )


def _lone(groups: dict[tuple[socket.SocketKind, str], list[socket.socket]]) -> list[str]:
    """Warn of addresses that have UDP or TCP alone: DNS needs both (RFC 7766 section 5)."""
    names = {socket.SOCK_DGRAM: "ListenDatagram", socket.SOCK_STREAM: "ListenStream"}
    warnings = []
    for kind, other in ((socket.SOCK_DGRAM, socket.SOCK_STREAM), (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
        for each, address in groups:
            if each == kind and (other, address) not in groups:
                warnings.append(f"systemd passed no {names[other]}={address} beside its {names[kind]}=")
    return warnings
