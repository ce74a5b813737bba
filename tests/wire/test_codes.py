"""The names of record types, beside dnspython's."""

import dns.rdatatype
import pytest

from blackhole_guard.wire.codes import RRType, format_type


@pytest.mark.parametrize("number", [*RRType, 0, 29, 999, 65280, 65535])
def test_a_type_has_its_name_or_its_number(number):
    known = number in RRType.__members__.values()
    assert format_type(number) == (dns.rdatatype.to_text(number) if known else f"TYPE{number}")
