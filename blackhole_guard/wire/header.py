"""The header of a message: its size, its flags, and responses that are nothing else.

RFC 1035 section 4.1.1; RFC 4035 section 3.1.6 (AD and CD are clear in what an authoritative server says).
"""

from struct import Struct

from blackhole_guard.wire.codes import RCode

HEADER = Struct("!HHHHHH")  # ID, flags, QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT
QR = 0x8000
AA = 0x0400
TC = 0x0200
RD = 0x0100
AD = 0x0020
CD = 0x0010
_OPCODE = 0x7800


def opcode_of(flags: int) -> int:
    """Take the opcode out of the flags."""
    return flags >> 11 & 15


def response_flags(flags: int) -> int:
    """Say which flags of a query its response repeats: QR is set, opcode and, where it has a meaning, RD are copied."""
    opcode = flags & _OPCODE
    return QR | opcode if opcode else QR | flags & RD  # a query is opcode 0


def render_header_only(octets: bytes, rcode: int) -> bytes:
    """Answer a message of which nothing but the header can be believed.

    Args:
        octets: the message, 12 octets at least.
        rcode: below 16.
    """
    message_id, flags, *_ = HEADER.unpack_from(octets)
    # What the flags of an opcode mean that we do not know, we do not know either: none is repeated.
    copied = QR | opcode_of(flags) << 11 if rcode == RCode.NOTIMP else response_flags(flags)
    return HEADER.pack(message_id, copied | rcode, 0, 0, 0, 0)
