"""The header that a proxy puts before a message, to say on whose behalf it asks: the PROXY protocol, version 2.

https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, section 2.2. Left out: version 1, which is text and for TCP
alone; ports, and what may follow the addresses (TLVs), which are not read.

It cannot be taken for a message: as one its opcode would be 1, which nobody answers but with NOTIMP.
"""

from typing import NamedTuple

from blackhole_guard.wire.errors import WireError

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
MAX_HEADER = 536  # octets; the addresses need 52, and no proxy of DNS sends more than a few TLVs
_FIXED = 16  # octets: signature, version and command, family and transport, length of the rest
_VERSION = 0x20
_LOCAL, _PROXY = 0, 1
_UNSPECIFIED = 0
_SIZES = {1: 4, 2: 16}  # family (AF_INET, AF_INET6) -> octets of an address
_TRANSPORTS = (1, 2)  # STREAM, DGRAM
_MAPPED = bytes(10) + b"\xff\xff"


class ProxyHeader(NamedTuple):
    """What a header says."""

    source: bytes | None  # 4 or 16 octets, unmapped; None: the proxy asks for itself, or does not say for whom
    size: int  # octets of the whole header


def is_proxied(octets: bytes) -> bool:
    """Say whether octets begin as a header does."""
    return octets.startswith(SIGNATURE)


def find_header_end(octets: bytes) -> int | None:
    """Say where the header ends that a stream begins with.

    Returns:
        0: it begins with none; None: that cannot be said yet.
    Raises:
        WireError: the header is longer than any that is taken.
    """
    if not octets.startswith(SIGNATURE):
        return None if SIGNATURE.startswith(octets) else 0
    if len(octets) < _FIXED:
        return None
    end = _FIXED + int.from_bytes(octets[14:16])
    if end > MAX_HEADER:
        raise WireError("a header of a proxy that is too long", offset=14, rcode=None)
    return end


def parse_proxy_header(octets: bytes) -> ProxyHeader:
    """Read the header that octets begin with, to the end of which there is at least one.

    Raises:
        WireError: it is malformed; nobody is to be answered.
    """
    end = find_header_end(octets)
    if not end or end > len(octets):
        raise WireError("no header of a proxy, or not all of it", rcode=None)
    command, family, transport = octets[12] & 0x0F, octets[13] >> 4, octets[13] & 0x0F
    if octets[12] & 0xF0 != _VERSION or command not in (_LOCAL, _PROXY):
        raise WireError("a header of a proxy with another version or command", offset=12, rcode=None)
    if command == _LOCAL or family == _UNSPECIFIED:
        return ProxyHeader(None, end)
    size = _SIZES.get(family)
    if size is None or transport not in _TRANSPORTS or end < _FIXED + 2 * size + 4:
        raise WireError("a header of a proxy whose addresses are none", offset=13, rcode=None)
    source = octets[_FIXED : _FIXED + size]
    return ProxyHeader(source[12:] if source.startswith(_MAPPED) and size == 16 else source, end)
