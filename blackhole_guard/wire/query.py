"""What strangers send: one header, one question, one OPT, perhaps a TSIG. Nothing else of a message is ever decoded.

RFC 1035 section 4.1, RFC 6891 section 6.1, RFC 8945 section 5.1, RFC 9619 (one question). The header is a gate: what
its counts claim beyond these few records is refused before a name is read, so the dearest message costs as much as one
long QNAME, whatever its length. A QNAME holds no pointer: there is nothing before it to point to.
"""

from struct import Struct
from typing import NamedTuple

from blackhole_guard.wire.codes import Opcode, RCode, RRClass, RRType
from blackhole_guard.wire.edns import Edns, parse_opt
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.header import HEADER, QR, RD, opcode_of
from blackhole_guard.wire.names import ROOT, find_name_end, skip_name
from blackhole_guard.wire.tsig import Tsig, parse_tsig

_QUESTION_TAIL = Struct("!HH")  # QTYPE, QCLASS
_RECORD = Struct("!HHIH")  # type, class, TTL, RDLENGTH
_MAX_ADDITIONAL = 2  # OPT and TSIG
_OPCODES = frozenset((Opcode.QUERY, Opcode.NOTIFY, Opcode.UPDATE))


class Query(NamedTuple):
    """A message that asks something. In an UPDATE the question is its zone section, and the rest was not read."""

    message_id: int
    flags: int  # as sent
    opcode: int
    question: bytes  # as sent, QNAME to QCLASS; empty: there is none, and `qname`, `qtype`, `qclass` mean nothing
    qname: bytes  # lower case
    qtype: int
    qclass: int
    edns: Edns | None
    tsig: Tsig | None
    has_authority: bool  # a record in the authority section, as an IXFR must have (RFC 1995 section 3)
    size: int  # octets of the whole message

    @property
    def recursion_desired(self) -> bool:
        """Whether RD is set."""
        return bool(self.flags & RD)


def parse_query(octets: bytes) -> Query:
    """Read a message from whoever sent it.

    Raises:
        WireError: it is malformed (`rcode` FORMERR), of an unknown kind (NOTIMP), or must not be answered at all: too
            short for a header, or a response (None).
    """
    if len(octets) < HEADER.size:
        raise WireError("shorter than a header", rcode=None)
    message_id, flags, questions, answers, authorities, additionals = HEADER.unpack_from(octets)
    if flags & QR:
        raise WireError("a response", offset=2, rcode=None)
    opcode = opcode_of(flags)
    _check_header(opcode, questions, answers, authorities, additionals)
    question, qname, qtype, qclass = _parse_question(octets) if questions else (b"", ROOT, 0, 0)
    if authorities and opcode == Opcode.QUERY and qtype != RRType.IXFR:
        raise WireError("an authority section without a reason", offset=8)
    edns, tsig = None, None
    if (answers or authorities or additionals) and opcode != Opcode.UPDATE:
        edns, tsig = _parse_records(octets, HEADER.size + len(question), answers + authorities, additionals)
    return Query(message_id, flags, opcode, question, qname, qtype, qclass, edns, tsig, authorities > 0, len(octets))


def _check_header(opcode: int, questions: int, answers: int, authorities: int, additionals: int) -> None:
    """Stop what no message that we answer has.

    A query for cookies has no question (RFC 7873 section 5.4), so its OPT must be seen; a NOTIFY may bring the new SOA
    (RFC 1996 section 3.7), an IXFR brings the old one. The sections of an UPDATE are free: they are never read.
    """
    if opcode not in _OPCODES:
        raise WireError("an opcode that is not ours", offset=2, rcode=RCode.NOTIMP)
    if questions != 1 and (questions or opcode != Opcode.QUERY):
        raise WireError("not one question", offset=4)
    if opcode == Opcode.UPDATE:
        return
    if answers and (answers > 1 or opcode != Opcode.NOTIFY):
        raise WireError("an answer section without a reason", offset=6)
    if authorities and (authorities > 1 or opcode != Opcode.QUERY):
        raise WireError("an authority section without a reason", offset=8)
    if additionals > _MAX_ADDITIONAL:
        raise WireError("too many additional records", offset=10)


def _parse_question(octets: bytes) -> tuple[bytes, bytes, int, int]:
    start = HEADER.size
    end = find_name_end(octets, start)
    if end + _QUESTION_TAIL.size > len(octets):
        raise WireError("a question without type and class", offset=end)
    qtype, qclass = _QUESTION_TAIL.unpack_from(octets, end)
    return octets[start : end + _QUESTION_TAIL.size], octets[start:end].lower(), qtype, qclass


def _parse_records(octets: bytes, position: int, before: int, additionals: int) -> tuple[Edns | None, Tsig | None]:
    """Walk the records behind the question.

    Args:
        before: records in the answer and authority sections, which have neither OPT nor TSIG.
        additionals: records in the additional section.
    """
    edns: Edns | None = None
    tsig: Tsig | None = None
    for left in range(before + additionals - 1, -1, -1):
        owner, position = position, skip_name(octets, position)
        if position + _RECORD.size > len(octets):
            raise WireError("a record that runs over the end", offset=owner)
        rtype, rclass, ttl, length = _RECORD.unpack_from(octets, position)
        data = position + _RECORD.size
        position = data + length
        if position > len(octets):
            raise WireError("RDATA that runs over the end", offset=data)
        if rtype == RRType.OPT:
            if edns is not None or left >= additionals or octets[owner]:
                raise WireError("an OPT too many, in a wrong section, or not at the root", offset=owner)
            edns = parse_opt(octets, data, position, payload_size=rclass, ttl=ttl)
        elif rtype == RRType.TSIG:
            if left or not additionals or rclass != RRClass.ANY:
                raise WireError("a TSIG that is not the last record, or not of class ANY", offset=owner)
            tsig = parse_tsig(octets, owner, data, position)
    return edns, tsig
