"""dnstap as producers write it: frames by an encoder of the test's own, and a producer that speaks Frame Streams."""

import socket
import struct
from ipaddress import ip_address

from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import pack_name

DNSTAP = b"protobuf:dnstap.Dnstap"
ACCEPT, START, STOP, READY, FINISH = 1, 2, 3, 4, 5
KINDS = {"RESOLVER_QUERY": 3, "RESOLVER_RESPONSE": 4, "CLIENT_QUERY": 5, "FORWARDER_QUERY": 7, "FORWARDER_RESPONSE": 8}
AT = 1_764_115_200.25  # unix seconds


def control(kind: int, *content_types: bytes) -> bytes:
    fields = b"".join(struct.pack("!II", 1, len(each)) + each for each in content_types)
    payload = struct.pack("!I", kind) + fields
    return struct.pack("!II", 0, len(payload)) + payload


def data(*frames: bytes) -> bytes:
    return b"".join(struct.pack("!I", len(frame)) + frame for frame in frames)


def varint(number: int) -> bytes:
    octets = b""
    while number > 0x7F:
        octets += bytes((number & 0x7F | 0x80,))
        number >>= 7
    return octets + bytes((number,))


def encode(fields: list[tuple[int, int | bytes | float]]) -> bytes:
    """Protocol Buffers: numbers as varint, octets with their length, floats as fixed32 of their nanoseconds."""
    octets = b""
    for field, value in fields:
        if isinstance(value, bytes):
            octets += varint(field << 3 | 2) + varint(len(value)) + value
        elif isinstance(value, float):
            octets += varint(field << 3 | 5) + struct.pack("<I", round(value * 1e9))
        else:
            octets += varint(field << 3) + varint(value)
    return octets


def query(name: str, qtype: int = RRType.PTR, *, flags: int = 0x0100, more: bytes = b"") -> bytes:
    return struct.pack("!6H", 7, flags, 1, 0, 0, 0) + pack_name(name) + struct.pack("!HH", qtype, 1) + more


def frame(
    kind: str,
    name: str = "3.0.0.10.in-addr.arpa",
    qtype: int = RRType.PTR,
    *,
    client: str | None = None,
    server: str | None = None,
    at: float = AT,
    seconds: float | None = None,
    flags: int | None = None,
    message: bytes | None = None,
) -> bytes:
    """A frame as BIND writes it; `flags`: of its DNS message, None: as that kind mostly has them."""
    if flags is None:
        flags = 0 if kind.startswith("RESOLVER") else 0x0100
    fields: list[tuple[int, int | bytes | float]] = [(1, KINDS[kind]), (2, 1), (3, 1)]
    if client is not None:
        fields.append((4, ip_address(client).packed))
    if server is not None:
        fields.append((5, ip_address(server).packed))
    fields += [(6, 41234), (7, 53), (8, int(at)), (9, at % 1)]
    if kind.endswith("RESPONSE"):
        came = at + (seconds or 0)
        fields += [(12, int(came)), (13, came % 1)]
        fields.append((14, message if message is not None else query(name, qtype, flags=flags | 0x8000)))
    else:
        fields.append((10, message if message is not None else query(name, qtype, flags=flags)))
    return encode([(1, b"resolver1.example.com"), (2, b"BIND 9.18"), (15, 1), (14, encode(fields))])


class Producer:
    """A connection to a receiver."""

    def __init__(self, path: str, *, seconds: float = 10.0) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)  # waits where the backlog is full
        self.sock.settimeout(seconds)

    def shake_hands(self) -> "Producer":
        self.sock.sendall(control(READY, DNSTAP))
        assert self.sock.recv(1000) == control(ACCEPT, DNSTAP)
        self.sock.sendall(control(START, DNSTAP))
        return self

    def send(self, *frames: bytes) -> None:
        self.sock.sendall(data(*frames))

    def finish(self) -> None:
        self.sock.sendall(control(STOP))
        assert self.sock.recv(1000) == control(FINISH)
        assert self.sock.recv(1000) == b""

    def is_closed(self) -> bool:
        """Whether the receiver has hung up; waits for it."""
        try:
            return self.sock.recv(1000) == b""
        except ConnectionResetError:
            return True

    def __enter__(self) -> "Producer":
        return self

    def __exit__(self, *error: object) -> None:
        self.sock.close()


class NoOutlook:
    """Nothing is known of servers besides: no server is the operator's own."""

    def is_ours(self, address: bytes) -> bool:
        return False
