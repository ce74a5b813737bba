"""The sockets of all workers: opened by the supervisor before it drops its privileges, inherited by every worker.

For each endpoint a slot has a UDP and a TCP socket of its own, bound to the same port by SO_REUSEPORT, so the kernel
deals out the clients. A slot's sockets outlive its worker: a successor, or a neighbour meanwhile, reads on. Another
user cannot join the group, so new endpoints need a restart.
"""

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from blackhole_guard.server import system
from blackhole_guard.server.holders import describe_holders
from blackhole_guard.server.listen import DEFAULT_LISTEN, Endpoint, ListenError, format_endpoint, parse_listen

# With the default of 208 KiB, 167 responses to addresses that answer no ARP block the socket for everyone.
BUFFER = 4 * 1024 * 1024
BACKLOG = 512  # connections that wait for accept(2); the kernel cuts it to net.core.somaxconn
UNSENT = 65536  # octets of a TCP connection that the kernel keeps beyond what is under way to the client
_PORT_TRIES = 32  # for port 0: a port that UDP gives may be taken in TCP

_STREAM = int(socket.SOCK_STREAM)
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class Listener(socket.socket):
    """A listening TCP socket that accepts as any other does, but makes no enums of its family for each connection.

    That takes 1.1 us of accept's 5.1, and 4 to 6 % of all that a connection for one query costs (python -m bench tcp).
    """

    def __init__(self, family: int) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self._family = int(family)

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection, which blocks even if the listening socket does not."""
        descriptor, address = self._accept()  # type: ignore[attr-defined]  # what socket.accept() itself calls
        return socket.socket(self._family, _STREAM, 0, descriptor), address


@dataclass(frozen=True, slots=True)
class SlotSockets:
    """What one worker slot reads. A socket may be in several slots: one from systemd that cannot be divided."""

    slot: int
    udp: tuple[socket.socket, ...]
    tcp: tuple[socket.socket, ...]

    def stamp_arrivals(self, on: bool) -> None:
        """Have the kernel note when each datagram came, so that a reader can tell what waited too long.

        It is on from the opening to the first reader that finds the queue empty. The supervisor turns it on again
        when a slot's worker dies, or seems to hang; what came before that counts as new.
        """
        for sock in self.udp:
            sock.setsockopt(socket.SOL_SOCKET, system.SO_TIMESTAMPNS, on)


@dataclass(frozen=True, slots=True)
class HeldSockets:
    """All sockets of all slots, and what there is to say about them."""

    slots: tuple[SlotSockets, ...]
    addresses: tuple[str, ...]  # what is listened on, as `127.0.0.1:53`
    warnings: tuple[str, ...]  # one line each

    def close(self) -> None:
        """Close them all."""
        for slot in self.slots:
            for sock in (*slot.udp, *slot.tcp):
                sock.close()


def open_sockets(listen: Sequence[str] | None, port: int, slots: int) -> HeldSockets:
    """Open the sockets of all slots.

    Args:
        listen: the entries of `server.listen`; None: 127.0.0.1 and ::1, the latter only where there is IPv6.
        port: where an entry names none; 0: one that is free, the same for all slots, for UDP and TCP.
        slots: how many workers there will be.
    Raises:
        ListenError: with a line for each endpoint that cannot be had; then nothing stays open.
    """
    problems: list[str] = []
    warnings: dict[str, None] = {}  # as an ordered set: each slot's sockets would say the same
    groups: list[tuple[list[socket.socket], list[socket.socket]]] = []
    with ExitStack() as stack:
        for endpoint in parse_listen(DEFAULT_LISTEN if listen is None else listen, port):
            try:
                groups.append(_open_group(endpoint, slots, stack, warnings))
            except OSError as error:
                if listen is None and endpoint.family == socket.AF_INET6 and error.errno in _NOT_HERE:
                    warnings[f"not listening on {endpoint}: this machine has no IPv6 loopback address"] = None
                else:
                    problems.append(str(error) if error.errno is None else _describe(endpoint, error, "server.listen"))
        if problems:
            raise ListenError(problems)
        stack.pop_all()
    return HeldSockets(
        slots=tuple(
            SlotSockets(slot, tuple(udp[slot] for udp, _ in groups), tuple(tcp[slot] for _, tcp in groups))
            for slot in range(slots)
        ),
        addresses=tuple(local_endpoint(udp[0]) for udp, _ in groups),
        warnings=tuple(warnings),
    )


def open_http_sockets(listen: Sequence[str], port: int) -> tuple[socket.socket, ...]:
    """Open the observer's listening sockets; HTTP asks for nothing special.

    Args:
        listen: entries as in `server.listen`.
        port: where an entry names none.
    Raises:
        ListenError: with a line for each endpoint that cannot be had; then nothing stays open.
    """
    problems: list[str] = []
    sockets: list[socket.socket] = []
    with ExitStack() as stack:
        for endpoint in parse_listen(listen, port):
            try:
                sockets.append(_open_tcp(endpoint, stack, join=False))
            except OSError as error:
                problems.append(f"metrics: {_describe(endpoint, error, 'telemetry.listen')}")
        if problems:
            raise ListenError(problems)
        stack.pop_all()
    return tuple(sockets)


def set_udp_options(sock: socket.socket, wildcard: bool) -> list[str]:
    """Set what every UDP socket of ours needs, wherever it comes from; returns warnings."""
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, system.SO_TIMESTAMPNS, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, system.IPV6_MTU_DISCOVER, system.PMTUDISC_OMIT)
        if wildcard:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    # An IPv6 socket that takes IPv4, too, sends that by the IPv4 option; it is there on every IPv6 socket.
    sock.setsockopt(socket.IPPROTO_IP, system.IP_MTU_DISCOVER, system.PMTUDISC_OMIT)
    if wildcard and sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, system.IP_PKTINFO, 1)
    return [
        *_set_buffer(sock, "send", "wmem_max", system.SO_SNDBUFFORCE, socket.SO_SNDBUF),
        *_set_buffer(sock, "receive", "rmem_max", system.SO_RCVBUFFORCE, socket.SO_RCVBUF),
    ]


def set_tcp_options(sock: socket.socket) -> None:
    """Set what every listening socket of ours needs; connections inherit it."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Without it the kernel takes megabytes for a client that does not read, and says only late that a slow one does.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)


def local_endpoint(sock: socket.socket) -> str:
    """Write where a socket is bound."""
    address, port, *rest = sock.getsockname()
    return format_endpoint(address.partition("%")[0], port, rest[1] if rest else 0)


def is_wildcard(sock: socket.socket) -> bool:
    """Say whether a socket is bound to all addresses."""
    return sock.getsockname()[0] in ("0.0.0.0", "::")


def _open_group(
    endpoint: Endpoint, slots: int, stack: ExitStack, warnings: dict[str, None]
) -> tuple[list[socket.socket], list[socket.socket]]:
    """Open one endpoint's UDP and TCP sockets, one of each for each slot."""
    first, first_tcp = _open_first(endpoint, stack, warnings)
    endpoint = endpoint._replace(port=first.getsockname()[1])
    udp, tcp = [first], [first_tcp]
    for _ in range(slots - 1):
        udp.append(_open_udp(endpoint, stack, warnings, join=True))
        tcp.append(_open_tcp(endpoint, stack, join=True))
    return udp, tcp


def _open_first(endpoint: Endpoint, stack: ExitStack, warnings: dict[str, None]) -> tuple[socket.socket, socket.socket]:
    tries = 1 if endpoint.port else _PORT_TRIES
    while True:
        tries -= 1
        udp = _open_udp(endpoint, stack, warnings, join=False)
        try:
            return udp, _open_tcp(endpoint._replace(port=udp.getsockname()[1]), stack, join=False)
        except OSError as error:
            udp.close()
            if not tries or error.errno != errno.EADDRINUSE:
                raise


def _open_udp(endpoint: Endpoint, stack: ExitStack, warnings: dict[str, None], *, join: bool) -> socket.socket:
    with _opening(endpoint, socket.SOCK_DGRAM, stack) as sock:
        warnings.update(dict.fromkeys(set_udp_options(sock, endpoint.address.is_unspecified)))
        _bind(sock, endpoint, join=join)
    return sock


def _open_tcp(endpoint: Endpoint, stack: ExitStack, *, join: bool) -> socket.socket:
    with _opening(endpoint, socket.SOCK_STREAM, stack) as sock:
        # Connections of a predecessor that are in TIME_WAIT would hold the port for a minute.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        set_tcp_options(sock)
        _bind(sock, endpoint, join=join)
        sock.listen(BACKLOG)
    return sock


@contextmanager
def _opening(endpoint: Endpoint, kind: socket.SocketKind, stack: ExitStack) -> Iterator[socket.socket]:
    """Make a socket that the stack closes, and at once if the body fails. Raises _Unopened."""
    sock: socket.socket | None = None
    try:
        sock = stack.enter_context(
            Listener(endpoint.family) if kind is socket.SOCK_STREAM else socket.socket(endpoint.family, kind)
        )
        if endpoint.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        yield sock
    except OSError as error:
        if sock is not None:
            sock.close()
        raise _Unopened(error, "udp" if kind == socket.SOCK_DGRAM else "tcp") from error


def _bind(sock: socket.socket, endpoint: Endpoint, *, join: bool) -> None:
    # The first socket of a group binds alone and opens the group afterwards: with SO_REUSEPORT from the start it would
    # join whatever group another program of the same user has there, and share that program's queries unnoticed.
    if join:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(endpoint.sockaddr)
    if not join:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


class _Unopened(OSError):
    """An OSError that knows over which protocol it came."""

    def __init__(self, error: OSError, protocol: str) -> None:
        super().__init__(error.errno, error.strerror or str(error))
        self.protocol = protocol


def _describe(endpoint: Endpoint, error: OSError, setting: str) -> str:
    """Say what is wrong with an endpoint of a setting, and how to mend it."""
    protocol = error.protocol if isinstance(error, _Unopened) else "udp"
    what = f"cannot listen on {endpoint}/{protocol}"
    if error.errno == errno.EADDRINUSE:
        holders = describe_holders(protocol, endpoint)
        return f"{what}: it is taken by {holders}; stop that, or set another address or port in `{setting}`"
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{what}: permission denied; start as root with `user:`, let systemd open the sockets, "
            "give CAP_NET_BIND_SERVICE, or choose a port from 1024 up"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        brackets = "; an IPv6 address with a port stands in brackets" if endpoint.family == socket.AF_INET6 else ""
        return f"{what}: this machine does not have that address; mend `{setting}`{brackets}"
    return f"{what}: {error.strerror}; mend `{setting}`"


def _set_buffer(sock: socket.socket, what: str, sysctl: str, force: int, plain: int) -> list[str]:
    try:
        sock.setsockopt(socket.SOL_SOCKET, force, BUFFER)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, plain, BUFFER)
    size = sock.getsockopt(socket.SOL_SOCKET, plain) // 2  # the kernel doubles what it is asked for (socket(7))
    if size >= BUFFER:
        return []
    return [f"the {what} buffer is {size} octets instead of {BUFFER}; set net.core.{sysctl}={BUFFER} by sysctl"]
