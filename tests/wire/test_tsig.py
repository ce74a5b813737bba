import dns.message
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_messages import ID, header, question, tsig

from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.names import pack_name
from blackhole_guard.wire.query import parse_query
from blackhole_guard.wire.response import attach
from blackhole_guard.wire.tsig import parse_tsig, render_unknown_key


def test_a_tsig_is_read_as_it_was_sent():
    parsed = parse_query(header(ar=1) + question() + tsig()).tsig
    assert parsed is not None
    assert parsed.key == pack_name("Key.example")
    assert parsed.algorithm == pack_name("hmac-sha256")
    assert parsed.times == bytes((0, 0, 1, 2, 3, 4, 0, 5))
    assert parsed.original_id == ID


@pytest.mark.parametrize(
    "record",
    [
        tsig(mac_size=33),
        tsig(mac_size=31),
        tsig(mac_size=0),
        tsig(mac_size=65535),
        tsig(other_length=1),
        tsig(key=b"\xc0\x0c"),
        tsig(algorithm=b"\xc0\x0c"),
        tsig(algorithm=b"\x0bhmac-sha256"),
        b"\1k\0" + bytes((0, 250, 0, 255, 0, 0, 0, 0, 0, 0)),  # RDLENGTH 0
        b"\1k\0" + bytes((0, 250, 0, 255, 0, 0, 0, 0, 0, 1, 0)),
        b"\1k\0" + bytes((0, 250, 0, 255, 0, 0, 0, 0, 0, 10)) + bytes(10),
    ],
)
def test_a_tsig_that_is_not_what_its_fields_say_is_a_format_error(record):
    with pytest.raises(WireError) as caught:
        parse_query(header(ar=1) + question() + record)
    assert caught.value.rcode == 1


def test_a_tsig_ends_with_its_record():
    octets = tsig()
    data = len(pack_name("Key.example")) + 10
    with pytest.raises(WireError):
        parse_tsig(octets + bytes(10), 0, data, len(octets) + 1)
    with pytest.raises(WireError):
        parse_tsig(octets, 0, data, data + len(pack_name("hmac-sha256")) + 9)


def test_dnspython_takes_the_unknown_key_for_that():
    keyring = dns.tsigkeyring.from_text({"key.example.": "c2VjcmV0"})
    query = dns.message.make_query("3.0.0.10.in-addr.arpa.", "PTR")
    query.use_tsig(keyring)
    octets = query.to_wire()
    parsed = parse_query(octets).tsig
    assert parsed is not None
    record = render_unknown_key(parsed)
    response = attach(octets[:2] + b"\x81\x09" + octets[4:10] + b"\0\0" + octets[12 : 12 + 27], record)
    with pytest.raises(dns.tsig.PeerBadKey):
        dns.message.from_wire(response, keyring=keyring, request_mac=query.mac)
    shown = dns.message.from_wire(response, continue_on_error=True, keyring=False)
    assert shown.tsig is not None
    assert shown.tsig[0].mac == b""
    assert shown.tsig[0].error == 17
    assert shown.tsig[0].original_id == query.id
    assert shown.tsig[0].time_signed == query.tsig[0].time_signed
    assert len(record) < len(octets)


@given(st.binary(max_size=80), st.integers(0, 80), st.integers(0, 80))
def test_any_octets_are_a_tsig_or_a_wire_error(octets, position, end):
    try:
        parsed = parse_tsig(octets, 0, min(position, len(octets)), min(end, len(octets)))
    except WireError:
        return
    assert len(parsed.times) == 8
