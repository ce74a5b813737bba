"""The records of one address: its key, and the value under it. `shelves` says how they stand in the snapshot's file.

A key is one octet for the family, then the 4 or 16 octets of the address. Keys sort as addresses do, so what is below a
reverse name is one range. A value is one of three, and its first octet says which:

    13 to 255   an entry, of one PTR: the octet is the length of what follows, an RR as it stands in a response, where
                the question is at offset 12: c0 0c, type, class, TTL (4 octets), RDLENGTH (2), uncompressed name
    0           a CNAME: TTL (4 octets), name
    1           several PTRs, or one that is too long for an entry: their number (1 octet), TTL (4 octets), names
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.records import RRset

IPV4: Final = b"\x04"
IPV6: Final = b"\x06"

_IN_ADDR_ARPA = b"\x07in-addr\x04arpa\x00"
_IP6_ARPA = b"\x03ip6\x04arpa\x00"
_OCTETS = {str(octet).encode(): octet for octet in range(256)}  # "01" and "256" are not among them
_OCTET_LABELS = tuple(bytes((len(str(octet)),)) + str(octet).encode() for octet in range(256))
_NIBBLES = frozenset(b"0123456789abcdef")
_WHOLE_IPV6 = 2 * 32 + len(_IP6_ARPA)  # octets of the name of an IPv6 address
_DOTS = b"\x01" * 32  # the length octets before its nibbles
SHORTEST_ENTRY: Final = 13  # what its first octet says at least: twelve octets, then at least the root's

_ALIAS, _LIST = 0, 1  # the first octets of the other values
_ENTRY_HEAD = struct.Struct(">BHHHIH")  # length; pointer, type, class, TTL, RDLENGTH
_RR_SIZE = _ENTRY_HEAD.size - 1  # octets of an RR without its RDATA
_LONGEST_NAME = 255 - _RR_SIZE  # in an entry
_POINTER = 0xC00C  # to the question's name, which stands behind the header of 12 octets (RFC 1035 section 4.1.4)
_CLASS_IN = 1
_ALIAS_HEAD = struct.Struct(">BI")
_LIST_HEAD = struct.Struct(">BBI")


def make_key(address: bytes) -> bytes:
    """Give the key of an address of 4 or 16 octets."""
    return (IPV4 if len(address) == 4 else IPV6) + address


def make_keys(addresses: list[bytes]) -> list[bytes]:
    """Give the keys of addresses of one family."""
    family = make_key(addresses[0])[:1]
    return [family + address for address in addresses]


def find_key(name: bytes) -> bytes | None:
    """Give the key of the address whose reverse name this is (wire form, lower case); None: it is none's."""
    if name.endswith(_IN_ADDR_ARPA):
        octets = _read_octets(name)
        return IPV4 + bytes(octets[::-1]) if octets is not None and len(octets) == 4 else None
    if len(name) == _WHOLE_IPV6 and name.endswith(_IP6_ARPA) and name[0:64:2] == _DOTS:
        nibbles = name[1:64:2]
        return IPV6 + bytes.fromhex(nibbles[::-1].decode()) if _NIBBLES.issuperset(nibbles) else None
    return None


def find_range(name: bytes) -> tuple[bytes, bytes] | None:
    """Give the first and last key that may stand below a reverse name; None: it is none, or a whole address.

    Args:
        name: wire form, lower case; labels that are not canonical (`01`, `256`) make it no reverse name.
    """
    if name.endswith(_IN_ADDR_ARPA):
        octets = _read_octets(name)
        if not octets or len(octets) == 4:
            return None
        prefix = IPV4 + bytes(octets[::-1])
        return prefix.ljust(5, b"\0"), prefix.ljust(5, b"\xff")
    if name.endswith(_IP6_ARPA) and 2 + len(_IP6_ARPA) <= len(name) < _WHOLE_IPV6:
        labels = name[: -len(_IP6_ARPA)]
        nibbles = labels[1::2]
        if labels[0::2] == _DOTS[: len(nibbles)] and _NIBBLES.issuperset(nibbles):
            text = nibbles[::-1].decode()
            return IPV6 + bytes.fromhex(text.ljust(32, "0")), IPV6 + bytes.fromhex(text.ljust(32, "f"))
    return None


def _read_octets(name: bytes) -> list[int] | None:
    """Read the octets of a name under in-addr.arpa, leftmost label first; None: there are others than octets."""
    octets: list[int] = []
    position, end = 0, len(name) - len(_IN_ADDR_ARPA)
    while position < end:
        next_one = position + 1 + name[position]
        octet = _OCTETS.get(name[position + 1 : next_one])
        if octet is None or len(octets) == 4:
            return None
        octets.append(octet)
        position = next_one
    return octets if position == end else None


def owner_of(key: bytes) -> bytes:
    """Name the owner of the records under a key."""
    if key[:1] == IPV4:
        return b"".join([_OCTET_LABELS[octet] for octet in key[:0:-1]]) + _IN_ADDR_ARPA
    nibbles = key[1:].hex().encode()[::-1]
    return b"".join([b"\x01%c" % nibble for nibble in nibbles]) + _IP6_ARPA


class ValueMaker:
    """Makes values. Remembers what stands before the names, which is mostly the same: a million are made at once."""

    def __init__(self) -> None:
        self._heads: dict[int, bytes] = {}

    def ptrs(self, names: Sequence[bytes | tuple[bytes, ...]], ttls: Iterable[int]) -> list[bytes]:
        """Make the values of many addresses: for each its names, see `ptr`, and its TTL."""
        heads = self._heads
        try:
            # Nearly all have one name, and nearly all lengths are known: half the time of `ptr` (bench.load).
            return [heads[ttl << 8 | len(name)] + name for name, ttl in zip(names, ttls, strict=True)]  # type: ignore[operator]
        except (KeyError, TypeError):
            return [self.ptr(name, ttl) for name, ttl in zip(names, ttls, strict=True)]

    def ptr(self, names: bytes | tuple[bytes, ...], ttl: int) -> bytes:
        """Make the value of one or up to 255 PTRs."""
        if isinstance(names, bytes):
            size = len(names)
            head = self._heads.get(ttl << 8 | size)
            if head is not None:
                return head + names
            if size <= _LONGEST_NAME:
                head = _ENTRY_HEAD.pack(_RR_SIZE + size, _POINTER, RRType.PTR, _CLASS_IN, ttl, size)
                self._heads[ttl << 8 | size] = head
                return head + names
            names = (names,)
        return _LIST_HEAD.pack(_LIST, len(names), ttl) + b"".join(names)

    def cname(self, target: bytes, ttl: int) -> bytes:
        """Make the value of a CNAME."""
        return _ALIAS_HEAD.pack(_ALIAS, ttl) + target


def read_value(owner: bytes, value: bytes) -> RRset:
    """Read the RRset under the key of `owner`."""
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
