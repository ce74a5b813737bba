from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.reserved.addresses import parse_reverse_prefix, reverse_name
from blackhole_guard.store.keys import find_key, find_range, make_key, owner_of
from blackhole_guard.wire.names import pack_name

addresses = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)


@given(addresses)
def test_an_address_has_one_key_and_a_key_one_owner(address):
    name = reverse_name(address)
    assert find_key(name) == make_key(address)
    assert owner_of(make_key(address)) == name


@given(addresses, addresses)
def test_keys_sort_as_addresses_do(one, other):
    assert (make_key(one) < make_key(other)) == ((len(one), one) < (len(other), other))


@pytest.mark.parametrize(
    "name",
    [
        ".",
        "arpa",
        "in-addr.arpa",
        "ip6.arpa",
        "10.in-addr.arpa",
        "01.0.0.10.in-addr.arpa",
        "256.0.0.10.in-addr.arpa",
        "5.1.0.0.10.in-addr.arpa",
        "x.0.0.10.in-addr.arpa",
        "64/26.2.1.10.in-addr.arpa",
        "1.0.0.10.in-addr.arpa.example",
        "1.0.0.10.xin-addr.arpa",
        "d.f.ip6.arpa",
        "g." + "0." * 31 + "ip6.arpa",
        "00." + "0." * 31 + "ip6.arpa",
        "1." * 33 + "ip6.arpa",
    ],
)
def test_other_names_have_no_key(name):
    assert find_key(pack_name(name)) is None


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("10.in-addr.arpa", "10.0.0.0", "10.255.255.255"),
        ("2.1.10.in-addr.arpa", "10.1.2.0", "10.1.2.255"),
        ("d.f.ip6.arpa", "fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("1.d.f.ip6.arpa", "fd10::", "fd1f:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("3.2.1.10.in-addr.arpa", None, None),
        ("in-addr.arpa", None, None),
        ("ip6.arpa", None, None),
        ("01.10.in-addr.arpa", None, None),
        ("x.d.f.ip6.arpa", None, None),
        ("dd.f.ip6.arpa", None, None),
        ("0." * 32 + "ip6.arpa", None, None),
        ("example.com", None, None),
    ],
)
def test_what_may_stand_below_a_name_is_a_range(name, first, last):
    expected = first and (make_key(ip_address(first).packed), make_key(ip_address(last).packed))
    assert find_range(pack_name(name)) == expected


labels = st.sampled_from(
    [b"0", b"1", b"10", b"255", b"256", b"01", b"a", b"f", b"g", b"0" * 63, b"\x01\x30", b".", b"\xff"]
)
trees = st.sampled_from([pack_name("in-addr.arpa"), pack_name("ip6.arpa"), pack_name("arpa")])


@given(st.lists(labels, max_size=34), trees)
def test_any_name_is_read_as_the_registry_reads_it(parts, tree):
    name = b"".join(bytes((len(part),)) + part for part in parts) + tree
    block = parse_reverse_prefix(name) if len(name) <= 255 else None
    if len(name) > 255:
        return
    whole = block is not None and block.prefixlen == block.max_prefixlen
    assert find_key(name) == (make_key(block[0].packed) if whole else None)
    span = None if block is None or whole else (make_key(block[0].packed), make_key(block[-1].packed))
    assert find_range(name) == span
