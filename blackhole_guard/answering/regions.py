"""Regions: parts of a zone where there is nothing but addresses, so that PTRs are answered without looking around.

A region is the part of a zone below one name, if no other zone, no delegation and no other name of ours lies in it. The
PTR of a whole address there is answered by the store's ready records, or by the NXDOMAIN that every missing address of
the region gets. What a region must know it learns from answers of the engine.
"""

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

from blackhole_guard.answering.accounts import list_ledger_keys
from blackhole_guard.answering.answer import RCODES, Outcome
from blackhole_guard.answering.forms import Forms
from blackhole_guard.answering.tails import KINDS
from blackhole_guard.answering.tally import Account, Tally, qtype_label
from blackhole_guard.answering.zone_reader import Octets, ServedZone, ShelfReader
from blackhole_guard.reserved.addresses import IP6_ARPA, parse_reverse_name, parse_reverse_prefix
from blackhole_guard.reserved.probes import LOWER_HALF
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.edns import MIN_PAYLOAD
from blackhole_guard.wire.header import AA, AD, CD, RD, response_flags
from blackhole_guard.wire.names import is_subdomain

_MOST = 4096  # regions
_MOST_ENDINGS = 4096  # of all regions together, about two kilobytes each
_USUAL_FLAGS = RD | AD | CD
_MOST_SHELVES = 5376  # kept at hand, about 300 octets each: room for a million addresses, 200 on each
_ONE_IN = 16  # shelves that were asked for is kept, so that a scan of many costs little

_HEADER = 10  # octets of a header without the ID
_TYPE = 4  # octets of QTYPE and QCLASS
_HEAD = Struct("!HHHHH")  # flags and counts
# A label that is an octet -> twice the octet, and whether it is that of the first or the last address of a network.
_HOSTS = {bytes((len(str(octet)),)) + str(octet).encode(): (2 * octet, octet in (0, 255)) for octet in range(256)}
_TWICE = tuple(range(0, 512, 2))  # an octet -> twice the octet, an object for all
_A_HOST = b"\x010"
_OCTETS = {label: bytes((twice // 2,)) for label, (twice, _) in _HOSTS.items()}
_IPV4_SHELF_KEY = 4  # octets: the family's, and three of the address
_IPV6_KEY = _HEADER + 64 + len(IP6_ARPA) + _TYPE  # octets of the key of a whole IPv6 address
_DOTS = b"\x01" * 32  # the lengths of its labels
_NOTABLE = frozenset((bytes(8), b"\xff" * 8, LOWER_HALF))  # interface identifiers: those of edges, and of probes
_NIBBLES = frozenset(b"0123456789abcdef")
_APART = 0xFFFF  # an offset in a shelf
_POINTER = 0xC0  # the first octet of one, at least (RFC 1035 section 4.1.4)
_SOA = RRType.SOA.to_bytes(2)
_RDATA = 12  # where it begins in a record whose owner is a pointer
_NOWHERE = 1024  # is not twice an octet


# How the responses to queries with one header and one kind of OPT end, form included: behind the record of a host, and
# of an edge (the first or last address of a network); for both, as far as known, behind the question in an NXDOMAIN:
# octets of the key -> SOA and the rest.
_Ending = tuple[tuple[bytes, bytes], tuple[dict[int, bytes], dict[int, bytes]]]
_Endings = tuple[dict[bytes, _Ending], ...]  # by kind of OPT: header of the query without the ID -> what follows
# Where a shelf is: in which octets, and at which of them; twice its first octet, twice its last one; its region's.
_Place = tuple[Octets, int, int, int, _Endings]


class Region(NamedTuple):
    """What the addresses of a region have in common."""

    zone: ServedZone
    prefix: bytes  # of the keys of its shelves
    sizes: tuple[int, ...]  # octets that the key of an address in it may have
    endings: _Endings


class Regions:
    """The regions of a snapshot that were met so far."""

    def __init__(self, zones: ShelfReader, tally: Tally, forms: Forms) -> None:
        self._zones = zones
        self._find_shelf = zones.find_shelf
        self._tally = tally
        self._forms = forms
        self._known: dict[bytes, Region] = {}  # question from the region's name on -> region
        self._ipv6_sizes: tuple[int, ...] = ()  # octets of those in IPv6
        self._places: dict[bytes, _Place] = {}  # question from the second label on, where the first is a host's
        # Header and first label, where that is a host's -> the header, twice the octet, whether it is an edge.
        self._starts: dict[bytes, tuple[bytes, int, bool]] = {}
        self._endings = 0
        self._asked = 0

    def find(self, key: bytes, kind: int) -> bytes | None:
        """Find what follows the question for the PTR of an address in a region that is known.

        Args:
            key: the message from the flags to the end of the question, in lower case.
            kind: of its OPT.
        Returns:
            The rest of the response and its form; None: the engine must say.
        """
        try:
            second = key[_HEADER] + _HEADER + 1
            place = self._places.get(key[second:])
            if place is None and len(key) == _IPV6_KEY:
                place, host, is_edge = self._find_ipv6(key)
                header = key[:_HEADER]
            else:
                header, host, is_edge = self._starts[key[:second]]
                if place is None:
                    place = self._find_far(key, second)
            octets, begin, first, last, endings = place
            found, missing = endings[kind][header]
            if first <= host <= last:
                at = begin + host - first + 2
                offset = octets[at] << 8 | octets[at + 1]
            else:
                offset = _find_in_list(octets, begin, host // 2) if last < first else 0
            if not offset:
                return missing[is_edge][len(key)]
            if offset == _APART:
                return None
            at = begin + offset + 1
            return b"".join((octets[at : at + octets[at - 1]], found[is_edge]))
        except LookupError:
            return None

    def _find_far(self, key: bytes, second: int) -> _Place:
        """Find the shelf of an IPv4 address where it is not at hand. Raises LookupError where `find` returns None."""
        third = second + 1 + key[second]
        region = self._known.get(key[third:])
        if region is not None:
            prefix = region.prefix + _OCTETS[key[second:third]]
        else:
            region = self._known[key[second:]]
            prefix = region.prefix
        if len(prefix) != _IPV4_SHELF_KEY:
            raise LookupError("a label too few or too many for an address of this region")
        place = self._reach(prefix, region)
        self._asked += 1
        if self._asked % _ONE_IN == 0:
            if len(self._places) >= _MOST_SHELVES:
                self._places.clear()
            if place[0]:
                place = (*self._zones.locate(place[0]), *place[2:])
            self._places[key[second:]] = place
        return place

    def _find_ipv6(self, key: bytes) -> tuple[_Place, int, bool]:
        """Find the shelf of an IPv6 address, twice its last octet, and whether it is an edge. Raises as `_find_far`."""
        nibbles = key[_HEADER + 63 : _HEADER : -2]
        if key[_HEADER : _HEADER + 64 : 2] == _DOTS and _NIBBLES.issuperset(nibbles):
            address = bytes.fromhex(nibbles.decode())
            is_edge = address[8:] in _NOTABLE
            if is_edge and address[8:] == LOWER_HALF:
                raise LookupError("a probe of the doctor's, which has an account of its own")
            for size in self._ipv6_sizes:
                region = self._known.get(key[_IPV6_KEY - size :])
                if region is not None:
                    return self._reach(region.prefix + address[:15], region), 2 * address[15], is_edge
        raise LookupError("no IPv6 address in a region that is known")

    def _reach(self, key: bytes, region: Region) -> _Place:
        shelf = self._find_shelf(key)
        if shelf is None:
            return b"", 0, _NOWHERE, _NOWHERE, region.endings
        return shelf, 0, _TWICE[shelf[0]], _TWICE[shelf[1]], region.endings

    def forget(self, most: int) -> bool:
        """Let go of so many shelves at hand; returns whether there may be more. Nothing may be looked up afterwards."""
        for _ in range(min(most, len(self._places))):
            self._places.popitem()
        return bool(self._places)

    def clear(self) -> None:
        """Forget all regions."""
        self._known.clear()
        self._places.clear()
        self._starts.clear()
        self._ipv6_sizes = ()
        self._endings = 0

    def learn(self, key: bytes, kind: int, opt: bytes, zone: ServedZone, negative: bytes | None) -> None:
        """Learn from the engine's answer to a question for a PTR in a zone of ours, below no delegation.

        Args:
            key: the message from the flags to the end of the question, in lower case.
            kind: of its OPT.
            opt: of the response.
            zone: that the name is in.
            negative: what follows the question in an NXDOMAIN, and its form; None: it was another response.
        """
        name = key[_HEADER:-_TYPE]
        address = parse_reverse_name(name)
        start = None if address is None else self._find_start(name, zone.apex)
        if address is None or start is None:
            return
        if self._endings >= _MOST_ENDINGS:
            self.clear()
        region = self._open(key[_HEADER + start :], name[start:], address, zone)
        ending = self._find_ending(region, key[:_HEADER], kind, opt)
        if ending is not None and negative is not None and not ending[1][0]:
            self._learn_negative(region, key, kind, ending, negative)

    def _learn_negative(self, region: Region, key: bytes, kind: int, ending: _Ending, negative: bytes) -> None:
        """Learn all NXDOMAINs of a region from one of them.

        They differ where they point into the message, by as much as the questions' lengths do, and in their accounts.
        """
        head, _ = self._forms.known[kind][negative[-1]]
        pointers = _find_pointers(negative)
        for shape, endings in zip((Shape.HOST, Shape.NETWORK), ending[1], strict=True):
            form = self._forms.find(kind, head, self._account(region.zone, shape, Outcome.NXDOMAIN))
            if form is not None and pointers:
                for size in region.sizes:
                    if 2 + size + len(negative) - 1 <= MIN_PAYLOAD:
                        endings[size] = _shift(negative[:-1], pointers, size - len(key)) + form

    def _find_start(self, name: bytes, apex: bytes) -> int | None:
        """Say where in an address's name the name of the region begins that it is in; None: it is in none.

        In IPv4 a region is a /16, or else a /24. In IPv6 it is as large as can be.
        """
        if name.endswith(IP6_ARPA):
            starts = range(max(2, len(name) - len(apex)), 0, -2)
        else:
            second = 1 + name[0]
            starts = range(second + 1 + name[second], second - 1, -1 - name[second])
        for start in starts:
            if is_subdomain(name[start:], of=apex) and not self._zones.has_names_below(name[start:]):
                return start
        return None

    def _open(self, suffix: bytes, name: bytes, address: bytes, zone: ServedZone) -> Region:
        region = self._known.get(suffix)
        if region is None:
            if len(self._known) >= _MOST:
                self.clear()
            block = parse_reverse_prefix(name)
            assert block is not None  # it is a part of an address's name
            prefix = b"\x06" if len(address) == 16 else b"\x04" + address[: block.prefixlen // 8]
            size, labels = _HEADER + len(suffix), 5 - len(prefix)  # a label of an octet has two to four octets
            sizes = (_IPV6_KEY,) if len(address) == 16 else tuple(range(size + 2 * labels, size + 4 * labels + 1))
            region = self._known[suffix] = Region(zone, prefix, sizes, tuple({} for _ in range(KINDS)))
            if len(address) == 16:
                self._ipv6_sizes = tuple(sorted({*self._ipv6_sizes, len(suffix)}))
        return region

    def _find_ending(self, region: Region, header: bytes, kind: int, opt: bytes) -> _Ending | None:
        """Give what follows the question in responses to queries like this; None: there are too many forms."""
        endings, flags = region.endings[kind], int.from_bytes(header[:2])
        # With other flags nobody asks who means it, and each of 2,048 sets of them would take two kilobytes.
        if header not in endings and not flags & ~_USUAL_FLAGS and self._endings < _MOST_ENDINGS:
            flags = response_flags(flags) | AA
            head = _HEAD.pack(flags | RCODES[Outcome.ANSWER], 1, 1, 0, kind != 0)
            forms = [
                self._forms.find(kind, head, self._account(region.zone, shape, Outcome.ANSWER))
                for shape in (Shape.HOST, Shape.NETWORK)
            ]
            if forms[0] is not None and forms[1] is not None:
                endings[header] = (opt + forms[0], opt + forms[1]), ({}, {})
                self._endings += 1
                if header + _A_HOST not in self._starts:
                    self._starts.update((header + label, (header, *host)) for label, host in _HOSTS.items())
        return endings.get(header)

    def _account(self, zone: ServedZone, shape: Shape, outcome: Outcome) -> Account:
        others = tuple(list_ledger_keys(zone.block, shape, outcome))
        return self._tally.open_account(qtype_label(RRType.PTR), RCODES[outcome].name, others)


def _find_pointers(negative: bytes) -> list[int]:
    """Find where what follows the question in an NXDOMAIN points into the message; nothing if it is no SOA of ours."""
    if negative[0] < _POINTER or negative[2:4] != _SOA:
        return []
    found, position = [0], _RDATA
    for _ in range(2):  # MNAME and RNAME (RFC 1035 section 3.3.13)
        while 0 < negative[position] < _POINTER:
            position += 1 + negative[position]
        if negative[position]:
            found.append(position)
            position += 1
        position += 1
    return found


def _shift(octets: bytes, pointers: Iterable[int], by: int) -> bytes:
    """Have the pointers of a message's end lead as many octets further on."""
    shifted = bytearray(octets)
    for at in pointers:
        shifted[at : at + 2] = (int.from_bytes(shifted[at : at + 2]) + by).to_bytes(2)
    return bytes(shifted)


def _find_in_list(octets: Octets, begin: int, octet: int) -> int:
    """Find the offset of an address on a shelf that lists its octets; 0: it is not there."""
    count, first = octets[begin + 2], begin + 3
    index = bytes(octets[first : first + count]).find(octet)
    if index < 0:
        return 0
    at = first + count + 2 * index
    return octets[at] << 8 | octets[at + 1]
