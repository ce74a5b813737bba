"""Values: the records of one address, packed once when they are read, and then only moved.

A value is one of three, and its first octet says which:

    13 to 255   an entry, of one PTR: the octet is the length of what follows, an RR as it stands in a response, where
                the question is at offset 12: c0 0c, type, class, TTL (4 octets), RDLENGTH (2), uncompressed name
    0           a CNAME: TTL (4 octets), name
    1           several PTRs, or one that is too long for an entry: their number (1 octet), TTL (4 octets), names
"""

import struct
from typing import Final

from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.records import RRset

SHORTEST_ENTRY: Final = 13  # what its first octet says at least: twelve octets, then at least the root's
UNKNOWN_TTL: Final = 0xFFFFFFFF  # stands for one that will be known later: larger than any (RFC 2181 section 8)

_ALIAS, _LIST = 0, 1  # the first octets of the other values
_ENTRY_HEAD = struct.Struct(">BHHHIH")  # length; pointer, type, class, TTL, RDLENGTH
_RR_SIZE = _ENTRY_HEAD.size - 1  # octets of an RR without its RDATA
LONGEST_NAME: Final = 255 - _RR_SIZE  # octets that a name in an entry may have
_POINTER = 0xC00C  # to the question's name, which stands behind the header of 12 octets (RFC 1035 section 4.1.4)
_CLASS_IN = 1
_ALIAS_HEAD = struct.Struct(">BI")
_LIST_HEAD = struct.Struct(">BBI")


def make_entry_head(size: int, ttl: int) -> bytes:
    """Give what stands in an entry before a name of so many octets, at most LONGEST_NAME."""
    return _ENTRY_HEAD.pack(_RR_SIZE + size, _POINTER, RRType.PTR, _CLASS_IN, ttl, size)


def make_ptrs(names: bytes | tuple[bytes, ...], ttl: int) -> bytes:
    """Make the value of one or up to 255 PTRs."""
    if isinstance(names, bytes):
        if len(names) <= LONGEST_NAME:
            return make_entry_head(len(names), ttl) + names
        names = (names,)
    return _LIST_HEAD.pack(_LIST, len(names), ttl) + b"".join(names)


def make_cname(target: bytes, ttl: int) -> bytes:
    """Make the value of a CNAME."""
    return _ALIAS_HEAD.pack(_ALIAS, ttl) + target


def read_value(owner: bytes, value: bytes) -> RRset:
    """Read the RRset of `owner`."""
    if value[0] >= SHORTEST_ENTRY:
        ttl = _ENTRY_HEAD.unpack_from(value)[4]
        return RRset(owner, RRType.PTR, ttl, (value[_ENTRY_HEAD.size :],))
    if value[0] == _ALIAS:
        _, ttl = _ALIAS_HEAD.unpack_from(value)
        return RRset(owner, RRType.CNAME, ttl, (value[_ALIAS_HEAD.size :],))
    _, count, ttl = _LIST_HEAD.unpack_from(value)
    rdatas, start = [], _LIST_HEAD.size
    for _ in range(count):
        end = start
        while value[end]:
            end += 1 + value[end]
        rdatas.append(value[start : end + 1])
        start = end + 1
    return RRset(owner, RRType.PTR, ttl, tuple(rdatas))


def count_ptrs(value: bytes) -> int:
    """Say how many PTRs stand in a value."""
    if value[0] == _LIST:
        return value[1]
    return int(value[0] >= SHORTEST_ENTRY)
