"""EDNS(0): the OPT record of a query, and ours.

RFC 6891. Left out: what the options mean, which is for who answers; only their frames are checked here.
"""

from collections.abc import Iterable, Mapping
from struct import Struct
from typing import NamedTuple

from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.errors import WireError

MIN_PAYLOAD = 512  # octets; a smaller size counts as this (RFC 6891 section 6.2.3)
# Clients send four or five. 64 KiB of empty options would keep us busy for milliseconds.
MAX_OPTIONS = 64
_DO = 0x8000  # in the low half of the TTL (RFC 3225 section 3)
_OPTION = Struct("!HH")  # code, length
_OPT = Struct("!xHHBBHH")  # root as the owner, type, payload size, extended RCODE, version, flags, RDLENGTH


class Edns(NamedTuple):
    """What a query's OPT says."""

    payload_size: int  # octets that fit into a datagram, 512 at least
    version: int
    dnssec_ok: bool
    options: Mapping[int, bytes]  # the first of each code


def parse_opt(octets: bytes, position: int, end: int, *, payload_size: int, ttl: int) -> Edns:
    """Read an OPT whose options stand in `octets` from `position` to `end`.

    Args:
        payload_size: the record's CLASS.
        ttl: the record's TTL: extended RCODE, version, flags.
    Raises:
        WireError: an option runs over the end, or there are too many.
    """
    options = _parse_options(octets, position, end) if position != end else {}
    size = payload_size if payload_size > MIN_PAYLOAD else MIN_PAYLOAD
    return Edns(size, ttl >> 16 & 0xFF, ttl & _DO != 0, options)


def _parse_options(octets: bytes, position: int, end: int) -> dict[int, bytes]:
    options: dict[int, bytes] = {}
    for _ in range(MAX_OPTIONS):
        if position == end:
            return options
        if position + 4 > end:
            raise WireError("an option without a length", offset=position)
        code, length = _OPTION.unpack_from(octets, position)
        position += 4 + length
        if position > end:
            raise WireError("an option that is longer than its record", offset=position - length)
        options.setdefault(code, octets[position - length : position])
    if position == end:
        return options
    raise WireError(f"more than {MAX_OPTIONS} options", offset=position)


def render_opt(payload_size: int, *, rcode: int, dnssec_ok: bool, options: Iterable[tuple[int, bytes]] = ()) -> bytes:
    """Render the OPT of a response.

    Args:
        payload_size: octets that we take in a datagram.
        rcode: the whole one; its upper eight bits go in here.
        dnssec_ok: as the query had it (RFC 3225 section 3).
        options: code and data of each.
    """
    data = b"".join([_OPTION.pack(code, len(value)) + value for code, value in options])
    return _OPT.pack(RRType.OPT, payload_size, rcode >> 4, 0, _DO if dnssec_ok else 0, len(data)) + data
