"""Responses, rendered.

RFC 1035 sections 4.1.1 and 4.1.4 (compression), RFC 2181 section 9 (TC), RFC 3597 section 4 (no compression in RDATA
but of the types of RFC 1035), RFC 4343 (names are equal without case, and keep theirs), RFC 9471 (a referral has its
glue, or TC). OPT and TSIG are rendered apart: the rest of a response does not depend on them but by size.
"""

from struct import Struct
from typing import NamedTuple

from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.header import AA, HEADER, TC, response_flags
from blackhole_guard.wire.names import find_name_end, suffixes
from blackhole_guard.wire.query import Query
from blackhole_guard.wire.records import RRset

MAX_MESSAGE = 65535  # octets (RFC 1035 section 4.2.2)
_MAX_POINTER = 0x3FFF  # a pointer has 14 bits
_POINTER = 0xC000
_FIXED = Struct("!HHI")  # type, class, TTL
_U16 = Struct("!H")
# How many names stand at the front of the RDATA. Of the types of RFC 1035 that have names, our zones have these.
_NAMES: dict[int, int] = {RRType.NS: 1, RRType.CNAME: 1, RRType.PTR: 1, RRType.SOA: 2}
_ARCOUNT = 10  # where it stands in a message


class Sections(NamedTuple):
    """The records of a response, without OPT and TSIG."""

    answer: tuple[RRset, ...] = ()
    authority: tuple[RRset, ...] = ()
    additional: tuple[RRset, ...] = ()  # glue: without it the response is not whole


NO_RECORDS = Sections()


class RenderedSections(NamedTuple):
    """The same as they stand behind a question."""

    octets: bytes = b""
    answers: int = 0  # records in each
    authorities: int = 0
    additionals: int = 0


NOTHING_RENDERED = RenderedSections()


def render_sections(query: Query, sections: Sections, limit: int) -> RenderedSections | None:
    """Render the records of a response to a query, in the class of its question.

    Of the question's name their octets depend on its length, and on the labels that their owner names share with it.

    Args:
        limit: octets of the response without OPT and TSIG.
    Returns:
        None: they do not fit.
    """
    writer = _Writer(query, min(limit, MAX_MESSAGE))
    counts = [sum([writer.add(rrset) for rrset in section]) for section in sections]
    return None if writer.is_full else RenderedSections(writer.take(), *counts)


def render_response(
    query: Query, rendered: RenderedSections | None, *, rcode: int, authoritative: bool, limit: int, opt: bytes = b""
) -> bytes:
    """Render a response around its records.

    Args:
        query: its question is repeated octet for octet.
        rendered: None: they do not fit.
        rcode: its lower four bits go in here.
        limit: octets without OPT and TSIG. What does not fit into them sets TC, and all records are left out.
        opt: ready for the wire; empty: there is none.
    """
    flags = response_flags(query.flags) | rcode & 15
    if authoritative:
        flags |= AA
    question = query.question
    if rendered is None or HEADER.size + len(question) + len(rendered.octets) > limit:
        flags |= TC
        rendered = NOTHING_RENDERED
    records, answers, authorities, additionals = rendered
    if opt:
        additionals += 1
    header = HEADER.pack(query.message_id, flags, 1 if question else 0, answers, authorities, additionals)
    return b"".join((header, question, records, opt))


def attach(response: bytes, record: bytes) -> bytes:
    """Put one more record, ready for the wire, behind a response."""
    (count,) = _U16.unpack_from(response, _ARCOUNT)
    return b"".join((response[:_ARCOUNT], _U16.pack(count + 1), response[_ARCOUNT + 2 :], record))


class _Writer:
    """Writes records behind a question until they are over the limit."""

    __slots__ = ("_buffer", "_limit", "_names", "_owners", "_query", "is_full")

    def __init__(self, query: Query, limit: int) -> None:
        self._query = query
        self._limit = limit
        self._buffer = bytearray(HEADER.size) + query.question
        self.is_full = False
        # Where names begin that a pointer may lead to. An owner is equal to the question's names without case, and
        # takes theirs. In RDATA a name keeps its own, so it never points into the question: a response is the same
        # whatever the case of the question.
        self._names: dict[bytes, int] = {}
        self._owners = _offsets(query.qname)

    def add(self, rrset: RRset) -> int:
        """Write an RRset; returns the number of its records."""
        buffer = self._buffer
        fixed = _FIXED.pack(rrset.rtype, self._query.qclass, rrset.ttl)
        for rdata in rrset.rdatas:
            self._add_name(rrset.owner, self._owners)
            buffer += fixed
            length_at = len(buffer)
            buffer += b"\0\0"
            self._add_rdata(rrset.rtype, rdata)
            if len(buffer) > self._limit:
                self.is_full = True
                break
            _U16.pack_into(buffer, length_at, len(buffer) - length_at - 2)
        return len(rrset.rdatas)

    def take(self) -> bytes:
        """Take what was written."""
        return bytes(self._buffer[HEADER.size + len(self._query.question) :])

    def _add_rdata(self, rtype: int, rdata: bytes) -> None:
        start = 0
        for _ in range(_NAMES.get(rtype, 0)):
            end = find_name_end(rdata, start)
            self._add_name(rdata[start:end], self._names)
            start = end
        self._buffer += rdata[start:]

    def _add_name(self, name: bytes, known: dict[bytes, int]) -> None:
        buffer, base, position = self._buffer, len(self._buffer), 0
        fresh = []
        exact = True  # whether the octets spell the name in its own case
        while length := name[position]:
            suffix = name[position:]
            offset = known.get(suffix)
            if offset is not None:
                exact = self._names.get(suffix) == offset
                buffer += name[:position]
                buffer += _U16.pack(_POINTER | offset)
                break
            fresh.append((suffix, base + position))
            position += 1 + length
        else:
            buffer += name
        for suffix, offset in fresh:
            if offset <= _MAX_POINTER:
                self._owners.setdefault(suffix, offset)
                if exact:
                    self._names.setdefault(suffix, offset)


def _offsets(qname: bytes) -> dict[bytes, int]:
    """List the names of a question, the root left out, with the offsets at which they begin in a message."""
    end = HEADER.size + len(qname)
    return {suffix: end - len(suffix) for suffix in suffixes(qname) if len(suffix) > 1}
