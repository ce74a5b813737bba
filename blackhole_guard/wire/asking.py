"""A client's side of an exchange: the query that is asked, and the reply to it, whoever gives it.

RFC 1035 section 4.1, RFC 6891. A reply is as hostile as a query: a message of 64 KiB whose names all point to one long
name keeps a general decoder busy for seconds. So names are passed over when a reply is parsed, and only those that
somebody asks for are read, each at a bounded price. Left out: the additional section, but for OPT.
"""

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from blackhole_guard.wire.codes import RRClass, RRType
from blackhole_guard.wire.edns import Edns, parse_opt, render_opt
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.header import HEADER, QR, TC, opcode_of
from blackhole_guard.wire.names import find_name_end, read_name, skip_name

PAYLOAD_SIZE = 1232  # octets that we take in a datagram; never needs a fragment (RFC 9715)
# 255 PTRs of one address with their signatures fit; more would only be work.
MAX_RECORDS = 512

_QUESTION_TAIL = Struct("!HH")  # QTYPE, QCLASS
_RECORD = Struct("!HHIH")  # type, class, TTL, RDLENGTH
_SOA_NUMBERS = Struct("!IIIII")  # serial, refresh, retry, expire, minimum


class Section(IntEnum):
    """Where in a message a record stands."""

    ANSWER = 0
    AUTHORITY = 1
    ADDITIONAL = 2


class Record(NamedTuple):
    """A resource record where it stands in the octets of its message."""

    section: Section
    owner: int  # offset of its owner name, which is not read yet
    rtype: int
    rclass: int
    ttl: int  # seconds
    start: int  # of its RDATA
    end: int


@dataclass(frozen=True, slots=True)
class SoaRecord:
    """An SOA (RFC 1035 section 3.3.13); names in wire form, lower case."""

    owner: bytes
    mname: bytes
    rname: bytes
    serial: int
    refresh: int
    retry: int
    expire: int
    minimum: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A response; of a truncated one only the header and the question."""

    octets: bytes
    message_id: int
    flags: int
    rcode: int  # the whole one, with the upper bits from OPT
    question: bytes  # as sent, QNAME to QCLASS; empty: there is none
    edns: Edns | None
    records: tuple[Record, ...]  # of the answer and authority sections

    def find(self, section: Section, rtype: int) -> tuple[Record, ...]:
        """Find the records of a type, class IN, in a section."""
        return tuple(
            record
            for record in self.records
            if record.section == section and record.rtype == rtype and record.rclass == RRClass.IN
        )

    def owner(self, record: Record) -> bytes:
        """Read a record's owner name, lower case. Raises WireError."""
        return read_name(self.octets, record.owner).lower()

    def target(self, record: Record) -> bytes:
        """Read the name that is the RDATA of an NS, CNAME, PTR or DNAME, as it was written. Raises WireError."""
        name = read_name(self.octets, record.start)
        if skip_name(self.octets, record.start) != record.end:
            raise WireError("RDATA that is no name", offset=record.start)
        return name

    def soa(self, record: Record) -> SoaRecord:
        """Read an SOA. Raises WireError."""
        rname = skip_name(self.octets, record.start)
        numbers = skip_name(self.octets, rname)
        if numbers + _SOA_NUMBERS.size != record.end:
            raise WireError("RDATA that is no SOA", offset=record.start)
        return SoaRecord(
            self.owner(record),
            read_name(self.octets, record.start).lower(),
            read_name(self.octets, rname).lower(),
            *_SOA_NUMBERS.unpack_from(self.octets, numbers),
        )

    def texts(self, record: Record) -> tuple[bytes, ...]:
        """Read the character-strings of a TXT. Raises WireError."""
        found, position = [], record.start
        while position < record.end:
            end = position + 1 + self.octets[position]
            if end > record.end:
                raise WireError("a character-string that is longer than its record", offset=position)
            found.append(self.octets[position + 1 : end])
            position = end
        return tuple(found)


def render_question(name: bytes, qtype: int, qclass: int = RRClass.IN) -> bytes:
    """Render the question of a query (RFC 1035 section 4.1.2)."""
    return name + _QUESTION_TAIL.pack(qtype, qclass)


def render_query(question: bytes, *, message_id: int, flags: int, dnssec_ok: bool) -> bytes:
    """Render a query, as plain as a stub resolver's where nothing else is wanted: some routers drop what has EDNS.

    Args:
        question: as `render_question` gives it.
        flags: RD, CD, AD, or none.
        dnssec_ok: whether DO is set, which EDNS carries; else there is no EDNS.
    """
    opt = render_opt(PAYLOAD_SIZE, rcode=0, dnssec_ok=True) if dnssec_ok else b""
    return HEADER.pack(message_id, flags, 1, 0, 0, int(dnssec_ok)) + question + opt


def parse_reply(octets: bytes) -> Reply:
    """Read a response to a query.

    Raises:
        WireError: it is none, or malformed, or has more records than any answer to us needs.
    """
    if len(octets) < HEADER.size:
        raise WireError("shorter than a header", rcode=None)
    message_id, flags, questions, answers, authorities, additionals = HEADER.unpack_from(octets)
    if not flags & QR or opcode_of(flags) or questions > 1:
        raise WireError("no response to a query", offset=2, rcode=None)
    question = _take_question(octets) if questions else b""
    if flags & TC:
        # What follows may end anywhere (RFC 2181 section 9).
        return Reply(octets, message_id, flags, flags & 15, question, None, ())
    counts = (answers, authorities, additionals)
    records, edns, extended = _parse_records(octets, HEADER.size + len(question), counts)
    return Reply(octets, message_id, flags, flags & 15 | extended << 4, question, edns, records)


def _take_question(octets: bytes) -> bytes:
    end = find_name_end(octets, HEADER.size) + _QUESTION_TAIL.size
    if end > len(octets):
        raise WireError("a question without type and class", offset=HEADER.size)
    return octets[HEADER.size : end]


def _parse_records(
    octets: bytes, position: int, counts: tuple[int, int, int]
) -> tuple[tuple[Record, ...], Edns | None, int]:
    """Walk the records of all sections; gives those of the first two, and what OPT says: EDNS, upper bits of RCODE."""
    if sum(counts) > MAX_RECORDS:
        raise WireError(f"more than {MAX_RECORDS} records", offset=6)
    records, edns, extended = [], None, 0
    for section in Section:
        for _ in range(counts[section]):
            owner, position = position, skip_name(octets, position)
            if position + _RECORD.size > len(octets):
                raise WireError("a record that runs over the end", offset=owner)
            rtype, rclass, ttl, length = _RECORD.unpack_from(octets, position)
            start = position + _RECORD.size
            position = start + length
            if position > len(octets):
                raise WireError("RDATA that runs over the end", offset=start)
            if section != Section.ADDITIONAL:
                records.append(Record(section, owner, rtype, rclass, ttl, start, position))
            elif rtype == RRType.OPT and edns is None:
                edns = parse_opt(octets, start, position, payload_size=rclass, ttl=ttl)
                extended = ttl >> 24
    return tuple(records), edns, extended
