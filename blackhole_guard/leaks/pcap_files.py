"""Captures as octets: pcap and pcapng, both byte orders, read one record after another.

draft-ietf-opsawg-pcap (pcap: microseconds and nanoseconds), draft-ietf-opsawg-pcapng (pcapng: several interfaces,
packet blocks of all three kinds, `if_tsresol` and `if_tsoffset`; other options and blocks are passed over). It reads
what libpcap has sifted, and whole captures where libpcap is missing or gives up: libpcap wants one link type for a
whole file, pcapng does not. Each record takes octets off the input, so hostile files end when they end.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from struct import Struct
from typing import NamedTuple

from blackhole_guard.leaks.evidence import EvidenceError
from blackhole_guard.leaks.frames import Frame

# libpcap's MAXIMUM_SNAPLEN. A frame is mostly 1,514 octets, 65,549 where a network card does the cutting.
MAX_CAPTURED = 262_144  # octets of a frame
MAX_BLOCK = 16 << 20  # octets of a block of pcapng, as in libpcap: a comment may be long, a file of one block may not
MAX_INTERFACES = 4_096  # of a section; who captures on more is not known, and each takes memory
CHUNK = 1 << 20  # octets that are read at a time

Read = Callable[[int], bytes]  # up to so many octets; none: the end
Select = Callable[[int, bytes], bool] | bool  # of a link type and a frame: whether it is wanted; or of all of them


class Format(StrEnum):
    """What a capture may be."""

    PCAP = "pcap"
    PCAPNG = "pcapng"


_PCAP_MAGICS = {  # -> byte order, units of a second
    b"\xa1\xb2\xc3\xd4": (">", 10**6),
    b"\xd4\xc3\xb2\xa1": ("<", 10**6),
    b"\xa1\xb2\x3c\x4d": (">", 10**9),
    b"\x4d\x3c\xb2\xa1": ("<", 10**9),
}
_PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"  # the same both ways
_PCAPNG_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
MAGIC = 4  # octets that tell

_PCAP_HEADER = 24
_RECORD_HEADER = 16
_LINK_TYPE = 0x03FFFFFF  # the bits above say how long a frame's checksum is
_VERSION = (2, 4)

_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
_BLOCK_HEADER, _BLOCK_TRAILER = 8, 4
_PACKET_HEADER = 28  # of a block of kind 6, with the block's own
_LEAST_PACKET = _PACKET_HEADER + _BLOCK_TRAILER
_OPTION_END, _OPTION_RESOLUTION, _OPTION_OFFSET = 0, 9, 14


def find_format(start: bytes) -> Format | None:
    """Tell a capture by its first four octets; None: it is none."""
    if start[:MAGIC] == _PCAPNG_MAGIC:
        return Format.PCAPNG
    return Format.PCAP if start[:MAGIC] in _PCAP_MAGICS else None


def read_frames(read: Read, select: Select = True) -> Iterator[Frame]:
    """Read a capture from its beginning on; with `select` False to see whether it can be read to its end.

    Raises:
        EvidenceError: it is no capture, is damaged, or ends inside a record; all before that was yielded.
    """
    source = _Source(read)
    form = find_format(source.fill(MAGIC))
    if form is None:
        raise EvidenceError("neither pcap nor pcapng", is_started=False)
    yield from (_read_pcap if form is Format.PCAP else _read_pcapng)(source, select)


@dataclass(slots=True)
class _Source:
    """What was read and not yet used, and where in the capture it stands."""

    read: Read
    octets: bytes = b""
    position: int = 0  # in `octets`: where the next record begins
    base: int = 0  # in the capture: where `octets` begins
    number: int = 0  # of the packets before `position`
    is_at_end: bool = False

    def fill(self, size: int) -> bytes:
        """Have `size` octets from `position` on, and mostly many more; fewer only at the end. Returns `octets`."""
        if len(self.octets) - self.position >= size or self.is_at_end:
            return self.octets
        parts = [self.octets[self.position :]]
        self.base += self.position
        self.position, missing = 0, size - len(parts[0])
        while missing > 0:
            part = self.read(max(CHUNK, missing))
            if not part:
                self.is_at_end = True
                break
            parts.append(part)
            missing -= len(part)
        self.octets = b"".join(parts)
        return self.octets

    def has_more(self) -> bool:
        """Whether there is another record, or a part of one."""
        self.fill(1)
        return self.position < len(self.octets)

    def broken(self, what: str) -> EvidenceError:
        """The error of the record at `position`."""
        return EvidenceError(f"{what}: after packet {self.number:,}, at octet {self.base + self.position:,}")

    def cut(self) -> EvidenceError:
        """The error of a record that the capture does not hold to its end."""
        return self.broken("the capture is cut off inside a record")


def _read_pcap(source: _Source, select: Select) -> Iterator[Frame]:
    header = source.fill(_PCAP_HEADER)
    if len(header) < _PCAP_HEADER:
        raise source.cut()
    order, units = _PCAP_MAGICS[header[:MAGIC]]
    major, minor, _, _, _, link_type = Struct(order + "4xHHIIII").unpack_from(header)
    if (major, minor) != _VERSION:
        raise EvidenceError(f"pcap of version {major}.{minor}; only 2.4 is known", is_started=False)
    link_type &= _LINK_TYPE
    source.position = _PCAP_HEADER
    unpack = Struct(order + "IIII").unpack_from
    while source.has_more():
        octets = source.fill(_RECORD_HEADER)
        position, last = source.position, len(octets) - _RECORD_HEADER
        if position > last:
            raise source.cut()
        while position <= last:
            seconds, fraction, captured, size = unpack(octets, position)
            if captured > MAX_CAPTURED:
                raise source.broken(f"a packet of {captured:,} octets")
            end = position + _RECORD_HEADER + captured
            if end > len(octets):
                break
            source.number += 1
            source.position = end
            if select is not False:
                frame = octets[position + _RECORD_HEADER : end]
                if select is True or select(link_type, frame):
                    yield Frame(seconds + fraction / units, link_type, frame, size)
            position = end
        else:
            continue
        if len(source.fill(_RECORD_HEADER + captured)) - source.position < _RECORD_HEADER + captured:
            raise source.cut()


class _Interface(NamedTuple):
    """An interface of a section of pcapng."""

    link_type: int
    limit: int  # octets that were captured of a frame; 0: no limit
    units: int  # of a second
    offset: int  # seconds to add


@dataclass(slots=True)
class _Section:
    """A section of pcapng: its byte order, and the interfaces that it has named so far."""

    order: str
    interfaces: list[_Interface] = field(default_factory=list)


def _read_pcapng(source: _Source, select: Select) -> Iterator[Frame]:
    section: _Section | None = None
    while source.has_more():
        if section is not None:
            yield from _read_run(source, section, select)
            if not source.has_more():
                break
        octets = source.fill(_BLOCK_HEADER + MAGIC)
        start = source.position
        if len(octets) - start < _BLOCK_HEADER + _BLOCK_TRAILER:
            raise source.cut()
        if octets[start : start + MAGIC] == _PCAPNG_MAGIC:
            order = _PCAPNG_ORDERS.get(octets[start + _BLOCK_HEADER : start + _BLOCK_HEADER + MAGIC])
            if order is None:
                raise source.broken("a section without a byte order")
            section = _Section(order)
        assert section is not None  # the format was told by the first one
        kind, size = Struct(section.order + "II").unpack_from(octets, start)
        if size % 4 or not _BLOCK_HEADER + _BLOCK_TRAILER <= size <= MAX_BLOCK:
            raise source.broken(f"a block of {size:,} octets")
        octets = source.fill(size)
        start = source.position
        if len(octets) - start < size:
            raise source.cut()
        frame = _read_block(source, section, kind, octets[start + _BLOCK_HEADER : start + size - _BLOCK_TRAILER])
        source.position += size
        if frame is not None:
            source.number += 1
            if select is True or (select and select(frame.link_type, frame.octets)):
                yield frame


def _read_run(source: _Source, section: _Section, select: Select) -> Iterator[Frame]:
    """Read packets of the usual kind, while they are whole in what was read, and as they should be.

    Nearly all blocks of most captures are, and this takes a third of the time; the others are for `_read_block`.
    """
    octets, position, interfaces = source.octets, source.position, section.interfaces
    unpack, last = Struct(section.order + "IIIIIII").unpack_from, len(octets) - _LEAST_PACKET
    while position <= last:
        kind, length, number, high, low, captured, size = unpack(octets, position)
        end = position + length
        if (
            kind != _ENHANCED_PACKET
            or (length % 4 or not _LEAST_PACKET + captured <= length <= MAX_BLOCK or end > len(octets))
            or (captured > MAX_CAPTURED or number >= len(interfaces))
        ):
            return
        interface = interfaces[number]
        frame = octets[position + _PACKET_HEADER : position + _PACKET_HEADER + captured]
        source.number += 1
        source.position = position = end
        if select is True or (select and select(interface.link_type, frame)):
            yield Frame((high << 32 | low) / interface.units + interface.offset, interface.link_type, frame, size)


def _read_block(source: _Source, section: _Section, kind: int, body: bytes) -> Frame | None:
    """Read the body of a block; None: it is no packet's."""
    if kind == _ENHANCED_PACKET:
        return _read_packet(source, section, body, "IIIII")
    if kind == _INTERFACE:
        if len(section.interfaces) >= MAX_INTERFACES:
            raise source.broken(f"more than {MAX_INTERFACES:,} interfaces")
        section.interfaces.append(_read_interface(source, section.order, body))
    elif kind == _SIMPLE_PACKET:
        return _read_simple_packet(source, section, body)
    elif kind == _OLD_PACKET:
        return _read_packet(source, section, body, "HxxIIII")
    elif kind == _SECTION and (len(body) < 16 or Struct(section.order + "4xH").unpack_from(body)[0] != 1):
        raise source.broken("a section of a version that is not known")
    return None


def _read_packet(source: _Source, section: _Section, body: bytes, layout: str) -> Frame:
    """Read a packet with an interface and a time. `layout`: interface, time in two halves, octets here, on the wire."""
    fields = Struct(section.order + layout)
    if len(body) < fields.size:
        raise source.broken("a packet's block that is too short")
    number, high, low, captured, size = fields.unpack_from(body)
    if captured > min(MAX_CAPTURED, len(body) - fields.size):
        raise source.broken(f"a packet of {captured:,} octets in a block of {len(body):,}")
    if number >= len(section.interfaces):
        raise source.broken(f"a packet of an interface ({number:,}) that was not described")
    interface = section.interfaces[number]
    at = (high << 32 | low) / interface.units + interface.offset
    return Frame(at, interface.link_type, body[fields.size : fields.size + captured], size)


def _read_simple_packet(source: _Source, section: _Section, body: bytes) -> Frame:
    """Read a packet of the first interface, without a time."""
    if len(body) < 4:
        raise source.broken("a packet's block that is too short")
    if not section.interfaces:
        raise source.broken("a packet of an interface (0) that was not described")
    interface = section.interfaces[0]
    (size,) = Struct(section.order + "I").unpack_from(body)
    captured = min(size, interface.limit) if interface.limit else size
    if captured > min(MAX_CAPTURED, len(body) - 4):
        raise source.broken(f"a packet of {captured:,} octets in a block of {len(body):,}")
    return Frame(0.0, interface.link_type, body[4 : 4 + captured], size)


def _read_interface(source: _Source, order: str, body: bytes) -> _Interface:
    if len(body) < 8:
        raise source.broken("an interface's block that is too short")
    link_type, limit = Struct(order + "HxxI").unpack_from(body)
    units, offset, position = 10**6, 0, 8
    option = Struct(order + "HH")
    while position + option.size <= len(body):
        code, length = option.unpack_from(body, position)
        position += option.size
        value = body[position : position + length]
        if code == _OPTION_END or len(value) < length:
            break
        if code == _OPTION_RESOLUTION and length == 1:
            exponent = value[0] & 0x7F
            units = 2**exponent if value[0] & 0x80 else 10**exponent
        elif code == _OPTION_OFFSET and length == 8:
            (offset,) = Struct(order + "q").unpack(value)
        position += length + -length % 4
    return _Interface(link_type, limit, units, offset)
