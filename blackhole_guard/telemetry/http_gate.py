"""What stands between a stranger and the HTTP library: limits on connections, time and octets, and strict requests.

A request reaches the library only when it is whole and plain: GET or HEAD, no body (RFC 9112). One connection carries
one request, so there is no second one to smuggle in, no idle one to keep, and each is over in 15 seconds at the latest
(the API's, which may have to read a million lines for its answer, in 45).
A newcomer always gets in; when there are too many, who waits longest without having asked is closed.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType

from blackhole_guard.api.problems import ProblemError

MAX_CONNECTIONS = 32
MAX_PER_CLIENT = 8  # of them from one address, so that one that floods cannot close the others' connections
MAX_HEAD = 8192  # octets; a scrape of Prometheus has 500
REQUEST_TIME = 5.0  # seconds from the connection to the whole request
RESPONSE_TIME = 10.0  # seconds for the client to take the response
API_TIME = 40.0  # seconds for the API to make one, and for the client to take it
_FAREWELL = 1.0  # seconds for a client to read why it was turned away, while we read what it still sends
_MAX_REST = 262_144  # octets that it may still send
# Octets, which the kernel doubles. What it has taken it keeps for minutes after we closed; what it has not is ours to
# drop in time. A compressed scrape fits.
_SEND_BUFFER = 16_384

SECURITY_HEADERS = {
    "Server": "blackhole_guard",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
    "Cache-Control": "no-store",
    "Connection": "close",
}

_END = re.compile(rb"\n\r?\n")
# A method, a path and nothing but visible ASCII in it; fields without folding or blanks before the colon, 100 at most.
_HEAD = re.compile(
    rb"([A-Z]{1,20}) (/[!-~]*) (HTTP/1\.[01])\r\n"
    rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n){0,100}\r\n"
)
_HOST = re.compile(rb"\nhost:", re.IGNORECASE)
_BODY = re.compile(rb"\n(?:content-length|transfer-encoding):", re.IGNORECASE)
_METHODS = (b"GET", b"HEAD")
_API = "/api"  # what is below it speaks JSON, whatever is wrong


def is_of_api(path: str) -> bool:
    """Say whether a path is the API's, and what is wrong with a request for it is to be said as JSON."""
    return path == _API or path.startswith((f"{_API}/", f"{_API}?"))


class Gate:
    """The connections of all listening sockets."""

    def __init__(self, make_http: Callable[[], asyncio.Protocol]) -> None:
        """Begin without connections.

        Args:
            make_http: makes the protocol that serves one whole request.
        """
        self.make_http = make_http
        self._open: dict[GatedConnection, None] = {}  # in the order of arrival

    def __call__(self) -> "GatedConnection":
        """Make the protocol of a new connection, for asyncio."""
        return GatedConnection(self)

    def enter(self, newcomer: "GatedConnection") -> None:
        """Let a connection in; another one is closed when it is one too many."""
        same = [connection for connection in self._open if connection.client == newcomer.client]
        if len(same) >= MAX_PER_CLIENT:
            _choose_victim(same).abort()
        elif len(self._open) >= MAX_CONNECTIONS:
            _choose_victim(list(self._open)).abort()
        self._open[newcomer] = None

    def leave(self, connection: "GatedConnection") -> None:
        """Forget a connection that is closed."""
        self._open.pop(connection, None)

    def close(self) -> None:
        """Close all connections at once."""
        for connection in list(self._open):
            connection.abort()


def _choose_victim(connections: "list[GatedConnection]") -> "GatedConnection":
    """Choose the oldest that has not asked yet, else the oldest."""
    return next((connection for connection in connections if not connection.asked), connections[0])


class GatedConnection(asyncio.Protocol):
    """One connection: reads one request, then hands it to the library, or answers with what is wrong with it."""

    def __init__(self, gate: Gate) -> None:
        self.client = ""  # the address
        self.asked = False
        self._gate = gate
        self._head = bytearray()
        self._rest = 0  # octets that came after the request
        self._http: asyncio.Protocol | None = None
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.client = (transport.get_extra_info("peername") or ("",))[0]
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._timer = asyncio.get_running_loop().call_later(REQUEST_TIME, self.abort)
        self._gate.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._timer.cancel()
        self._gate.leave(self)
        if self._http is not None:
            self._http.connection_lost(exc)

    def abort(self) -> None:
        """Close at once, whatever is unsent."""
        self._gate.leave(self)
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take octets until the request is whole; what comes behind it is read and forgotten."""
        if self.asked:
            self._rest += len(data)
            if self._rest > _MAX_REST:
                self.abort()
            return
        begin = max(0, len(self._head) - 3)
        self._head += data
        end = _END.search(self._head, begin)
        if (end.end() if end else len(self._head)) > MAX_HEAD:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refuse(status, f"a request has at most {MAX_HEAD} octets")
        elif end:
            self._judge(bytes(self._head[: end.end()]))

    def eof_received(self) -> bool:
        """Keep a connection open whose client has nothing more to say, until it has its response."""
        return self._http is not None

    def pause_writing(self) -> None:
        """Tell the library that the client does not take more now."""
        if self._http is not None:
            self._http.pause_writing()

    def resume_writing(self) -> None:
        """Tell the library that the client takes more again."""
        if self._http is not None:
            self._http.resume_writing()

    def _judge(self, head: bytes) -> None:
        match = _HEAD.fullmatch(head)
        if match is None:
            self._refuse(HTTPStatus.BAD_REQUEST, "this is no HTTP/1.1 request")
            return
        path = match[2].decode("ascii")
        if match[1] not in _METHODS:
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are served", path, {"Allow": "GET, HEAD"})
        elif _BODY.search(head):
            self._refuse(HTTPStatus.BAD_REQUEST, "a request has no body here", path)
        elif len(_HOST.findall(head)) > 1 or (match[3] == b"HTTP/1.1" and not _HOST.search(head)):
            self._refuse(HTTPStatus.BAD_REQUEST, "a request of HTTP/1.1 has one Host", path)
        else:
            self._begin_response(API_TIME if is_of_api(path) else RESPONSE_TIME)
            self._http = self._gate.make_http()
            self._http.connection_made(self._transport)
            self._http.data_received(head)

    def _refuse(
        self, status: HTTPStatus, why: str, path: str = "", fields: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._begin_response(_FAREWELL)
        kind, body = "text/plain; charset=utf-8", f"{why}\n".encode()
        if is_of_api(path):
            _, kind, body, _ = ProblemError(status, why).render()
        fields = {"Content-Type": kind, "Content-Length": str(len(body)), **fields, **SECURITY_HEADERS}
        lines = (f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in fields.items()))
        self._transport.write("".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body)
        # A close while octets arrive would reset the connection, and the client might never see the answer.
        with contextlib.suppress(OSError):  # the client has reset it since, which asyncio makes an error of ours
            self._transport.write_eof()

    def _begin_response(self, seconds: float) -> None:
        self.asked = True
        self._head.clear()
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)
