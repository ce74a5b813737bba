import pytest
from raw_messages import ID, header

from blackhole_guard.wire.codes import Opcode, RCode
from blackhole_guard.wire.header import HEADER, opcode_of, render_header_only, response_flags


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (0x0000, 0x8000),
        (0x0100, 0x8100),  # RD is copied
        (0x07F0, 0x8100),  # AA, TC, RA, Z, AD and CD are not
        (0x000F, 0x8000),  # nor is the RCODE
        (0x2100, 0xA000),  # a NOTIFY has no RD
        (0x2900, 0xA800),  # nor has an UPDATE
    ],
)
def test_a_response_repeats_the_opcode_and_rd(flags, expected):
    assert response_flags(flags) == expected


@pytest.mark.parametrize("opcode", range(16))
def test_the_opcode_is_four_bits(opcode):
    assert opcode_of(opcode << 11 | 0x87FF) == opcode


@pytest.mark.parametrize(
    ("flags", "rcode", "expected"),
    [
        (0x0100, RCode.FORMERR, 0x8101),
        (0x0130, RCode.SERVFAIL, 0x8102),
        (Opcode.UPDATE << 11, RCode.FORMERR, 0xA801),
        (0x7FFF, RCode.NOTIMP, 0xF804),  # RD of an unknown opcode has an unknown meaning
        (0x1100, RCode.NOTIMP, 0x9004),
    ],
)
def test_a_header_can_be_the_whole_response(flags, rcode, expected):
    response = render_header_only(header(flags, qd=1, an=2, ns=3, ar=4) + b"whatever", rcode)
    assert HEADER.unpack(response) == (ID, expected, 0, 0, 0, 0)
