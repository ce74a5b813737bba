"""Messages put together octet by octet, so that they may be as wrong as a test wants."""

from struct import pack

from blackhole_guard.wire.codes import RRClass, RRType
from blackhole_guard.wire.names import pack_name

ID = 0x1234


def header(flags: int = 0, qd: int = 1, an: int = 0, ns: int = 0, ar: int = 0) -> bytes:
    return pack("!HHHHHH", ID, flags, qd, an, ns, ar)


def question(
    name: bytes = pack_name("3.0.0.10.in-addr.arpa"), qtype: int = RRType.PTR, qclass: int = RRClass.IN
) -> bytes:
    return name + pack("!HH", qtype, qclass)


def record(owner: bytes, rtype: int, rclass: int, ttl: int, rdata: bytes, *, length: int | None = None) -> bytes:
    return owner + pack("!HHIH", rtype, rclass, ttl, len(rdata) if length is None else length) + rdata


def option(code: int, data: bytes = b"", *, length: int | None = None) -> bytes:
    return pack("!HH", code, len(data) if length is None else length) + data


def opt(
    options: bytes = b"",
    *,
    owner: bytes = b"\0",
    size: int = 1232,
    version: int = 0,
    do: bool = False,
    length: int | None = None,
) -> bytes:
    return record(owner, RRType.OPT, size, version << 16 | (0x8000 if do else 0), options, length=length)


def tsig(
    key: bytes = pack_name("Key.example"),
    algorithm: bytes = pack_name("hmac-sha256"),
    mac: bytes = bytes(32),
    **changes: int,
) -> bytes:
    rdata = algorithm + bytes((0, 0, 1, 2, 3, 4, 0, 5)) + pack("!H", changes.get("mac_size", len(mac))) + mac
    rdata += pack("!HHH", ID, 0, changes.get("other_length", 0))
    return record(key, RRType.TSIG, changes.get("rclass", RRClass.ANY), 0, rdata)


def question_of_size(size: int) -> bytes:
    """A name of `size` octets outside our zones."""
    labels, left = b"", size - 1
    while left:
        take = min(63, left - 1)
        take -= left - take - 1 == 1  # nothing may be left that is too short for a label
        labels += bytes((take,)) + b"a" * take
        left -= take + 1
    return labels + b"\0"
