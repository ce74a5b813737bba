"""The control socket: how `blackhole-guard reload` speaks to the supervisor.

One connection, one request, one reply, each a line of JSON. The socket's mode lets its owner and root in, nobody else.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Literal

import msgspec

from blackhole_guard.server.poller import Poller

_LONGEST_REQUEST = 4096  # octets
_LONGEST_NAME = 107  # octets of a unix socket's address (unix(7)); longer ones go by way of their directory
_MOST = 32  # connections; more wait in the backlog
_PATIENCE = 5.0  # seconds to send a request, or to take some more of a reply
_REST = 1.0  # seconds without accepting when there is nothing to accept with, or the loop would spin
_BACKLOG = 128


class ReloadRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Read settings and maps again."""

    command: Literal["reload"]
    force: bool = False  # even if most records would go


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reply to what is no request, or to one that comes too late."""

    text: str
    result: Literal["refused"] = "refused"


class ControlError(Exception):
    """No server listens there, or it went away before it replied."""


Answer = Callable[[bytes], None]  # sends the reply; the client may be gone by then
OnReload = Callable[[bool, Answer], None]  # force, answer


class ControlServer:
    """Listens for requests. Owns its socket, and the name of it."""

    def __init__(self, path: str) -> None:
        """Bind the socket; a name that a dead server left is taken over, so the caller holds the directory's lock.

        Raises:
            OSError: the socket cannot be made there.
        """
        self._path = path
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connections: set[_Connection] = set()
        self._rests_until = 0.0  # monotonic seconds
        before = os.umask(0o177)
        try:
            with _reachable(path) as name:
                self._listener.bind(name)
            self._listener.listen(_BACKLOG)
        except OSError:
            self._listener.close()
            raise
        finally:
            os.umask(before)
        self._listener.setblocking(False)

    def start(self, poller: Poller, on_reload: OnReload) -> None:
        """Take requests from now on."""
        self._poller = poller
        self._on_reload = on_reload
        poller.watch(self._listener, self._accept)

    def tick(self, now: float) -> None:
        """Close connections that take too long, and take requests again after a rest. `now`: monotonic seconds."""
        for connection in [each for each in self._connections if each.is_overdue(now)]:
            connection.close()
        self._listen(now)

    def leave(self) -> None:
        """In a child: close the descriptors."""
        self._listener.close()
        for connection in self._connections:
            connection.sock.close()

    def close(self) -> None:
        """Take no more requests; who waits for a reply sees the end of the connection."""
        self._poller.forget(self._listener)
        self._listener.close()
        for connection in list(self._connections):
            connection.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # it went away again
            return
        except OSError:  # there is no descriptor left
            self._rests_until = monotonic() + _REST
            self._poller.forget(self._listener)
            return
        self._connections.add(_Connection(sock, self._poller, self._on_reload, self._forget))
        if len(self._connections) >= _MOST:
            self._poller.forget(self._listener)

    def _forget(self, connection: "_Connection") -> None:
        self._connections.discard(connection)
        self._listen(monotonic())

    def _listen(self, now: float) -> None:
        """Watch the listener unless there are too many connections, or it rests."""
        if self._listener.fileno() < 0 or len(self._connections) >= _MOST or now < self._rests_until:
            return
        if not self._poller.is_watched(self._listener):
            self._poller.watch(self._listener, self._accept)


class _Connection:
    """One client: sends a request, waits, takes the reply."""

    def __init__(
        self, sock: socket.socket, poller: Poller, on_reload: OnReload, on_close: Callable[["_Connection"], None]
    ) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._poller = poller
        self._on_reload = on_reload
        self._on_close = on_close
        self._octets = b""  # of the request, then of the reply
        self._deadline: float | None = monotonic() + _PATIENCE
        self._open = True
        poller.watch(sock, self._on_readable)

    def is_overdue(self, now: float) -> bool:
        """Whether the client takes too long; waiting for a load is not its doing."""
        return self._deadline is not None and now >= self._deadline

    def close(self) -> None:
        """End it."""
        if self._open:
            self._open = False
            self._poller.forget(self.sock)
            self.sock.close()
            self._on_close(self)

    def _on_readable(self) -> None:
        try:
            octets = self.sock.recv(_LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        if not octets or self._deadline is None:  # gone; or it says more than its one request
            self.close()
            return
        self._octets += octets
        if len(self._octets) > _LONGEST_REQUEST:
            self.close()
        elif b"\n" in self._octets:
            self._take_request()

    def _take_request(self) -> None:
        line, self._octets = self._octets, b""
        try:
            request = msgspec.json.decode(line, type=ReloadRequest)
        except msgspec.MsgspecError as error:
            self._reply(msgspec.json.encode(Refusal(f"no request: {error}")))
            return
        self._deadline = None
        self._on_reload(request.force, self._reply)

    def _reply(self, reply: bytes) -> None:
        if self._open:
            self._octets = reply + b"\n"
            self._send()

    def _send(self) -> None:
        try:
            sent = self.sock.send(self._octets)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._octets = self._octets[sent:]
        if not self._octets:
            self.close()
        else:
            self._deadline = monotonic() + _PATIENCE
            self._poller.watch(self.sock, self._send, writing=True)


def ask_reload(path: str, request: ReloadRequest) -> bytes:
    """Ask a server to reload, and wait for the outcome, however long it takes.

    Args:
        path: of its control socket.
        request: what to do.
    Returns:
        The reply, JSON.
    Raises:
        ControlError: nobody listens there, or the server ended meanwhile.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            with _reachable(path) as name:
                sock.connect(name)
            sock.sendall(msgspec.json.encode(request) + b"\n")
            reply = b""
            while octets := sock.recv(65536):
                reply += octets
        except PermissionError as error:
            raise ControlError(f"{path} may be opened by the server's user and by root alone") from error
        except OSError as error:
            raise ControlError(f"no server listens on {path}: {error.strerror}") from error
    if not reply.endswith(b"\n"):
        raise ControlError("the server ended before the load was done")
    return reply


@contextlib.contextmanager
def _reachable(path: str) -> Iterator[str]:
    """Name a unix socket by a path that is short enough for its address."""
    if len(os.fsencode(path)) <= _LONGEST_NAME:
        yield path
        return
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{os.path.basename(path)}"
    finally:
        os.close(folder)
