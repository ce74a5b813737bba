"""Arithmetic between blocks, addresses and reverse names."""

from ipaddress import ip_address, ip_network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.reserved.addresses import (
    BlockError,
    apexes,
    enclosing_zone_block,
    parse_reverse_name,
    parse_reverse_prefix,
    reverse_name,
    split_block,
)
from blackhole_guard.wire.names import format_name, is_subdomain, join_labels, pack_name

blocks = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(1, 32)), st.tuples(st.ip_addresses(v=6), st.integers(1, 128))
).map(lambda drawn: ip_network(drawn, strict=False))
wire_names = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=12).map(bytes.lower),
        st.integers(0, 300).map(lambda number: str(number).encode()),
        st.sampled_from([b"0", b"01", b"f", b"10", b"in-addr", b"ip6", b"arpa", b"x\x07in-addr"]),
    ),
    max_size=8,
).flatmap(
    lambda labels: st.sampled_from([(), (b"in-addr", b"arpa"), (b"ip6", b"arpa")]).map(lambda end: (*labels, *end))
)


@pytest.mark.parametrize(
    ("block", "count", "first", "last"),
    [
        ("10.0.0.0/8", 1, "10.in-addr.arpa.", "10.in-addr.arpa."),
        ("172.16.0.0/12", 16, "16.172.in-addr.arpa.", "31.172.in-addr.arpa."),
        ("172.20.0.0/14", 4, "20.172.in-addr.arpa.", "23.172.in-addr.arpa."),
        ("100.64.0.0/10", 64, "64.100.in-addr.arpa.", "127.100.in-addr.arpa."),
        ("128.0.0.0/1", 128, "128.in-addr.arpa.", "255.in-addr.arpa."),
        ("192.168.10.0/23", 2, "10.168.192.in-addr.arpa.", "11.168.192.in-addr.arpa."),
        ("192.168.10.0/24", 1, "10.168.192.in-addr.arpa.", "10.168.192.in-addr.arpa."),
        ("10.0.0.3/32", 1, "3.0.0.10.in-addr.arpa.", "3.0.0.10.in-addr.arpa."),
        ("fd12:3456::/48", 1, "0.0.0.0.6.5.4.3.2.1.d.f.ip6.arpa.", "0.0.0.0.6.5.4.3.2.1.d.f.ip6.arpa."),
        ("fe80::/10", 4, "8.e.f.ip6.arpa.", "b.e.f.ip6.arpa."),
        ("8000::/1", 8, "8.ip6.arpa.", "f.ip6.arpa."),
        ("fd00::/33", 8, "0.0.0.0.0.0.0.d.f.ip6.arpa.", "7.0.0.0.0.0.0.d.f.ip6.arpa."),
        ("::1/128", 1, "1." + "0." * 31 + "ip6.arpa.", "1." + "0." * 31 + "ip6.arpa."),
    ],
)
def test_a_block_becomes_its_zones(block, count, first, last):
    names = [format_name(apex) for apex in apexes(ip_network(block))]
    assert (len(names), names[0], names[-1]) == (count, first, last)


@pytest.mark.parametrize("block", ["10.6.84.0/25", "10.6.84.0/26", "10.6.84.2/31", "0.0.0.0/0", "::/0"])
def test_a_block_that_is_no_zone_is_refused_not_rounded(block):
    with pytest.raises(BlockError):
        apexes(ip_network(block))


@pytest.mark.parametrize(
    ("block", "enclosing"),
    [
        ("10.6.84.0/26", "10.6.84.0/24"),
        ("10.6.84.7/32", "10.6.84.7/32"),
        ("10.6.84.0/24", "10.6.84.0/24"),
        ("172.20.0.0/14", "172.0.0.0/8"),
        ("fd00::/9", "fd00::/8"),
        ("fd12:3456::/48", "fd12:3456::/48"),
    ],
)
def test_the_zone_that_covers_a_block(block, enclosing):
    assert enclosing_zone_block(ip_network(block)) == ip_network(enclosing)


@pytest.mark.parametrize("block", ["128.0.0.0/1", "0.0.0.0/0", "8000::/3", "::/0"])
def test_a_block_that_only_the_whole_space_covers(block):
    with pytest.raises(BlockError):
        enclosing_zone_block(ip_network(block))


@pytest.mark.parametrize("block", ["0.0.0.0/0", "::/0"])
def test_a_whole_address_space_is_not_divided(block):
    with pytest.raises(BlockError):
        split_block(ip_network(block))


@given(blocks)
def test_the_parts_of_a_block_are_the_block_and_nothing_else(block):
    parts = split_block(block)
    assert 1 <= len(parts) <= 128
    assert parts[0][0] == block[0] and parts[-1][-1] == block[-1]
    assert all(before[-1] + 1 == after[0] for before, after in pairwise(parts))
    assert all(part.prefixlen % (8 if part.version == 4 else 4) == 0 for part in parts)


@given(blocks)
def test_the_parts_of_a_block_are_the_fewest(block):
    parts = split_block(block)
    step = 8 if block.version == 4 else 4
    # Names that are a label shorter would hold addresses that the block has not.
    assert len(parts) == 1 or not parts[0].supernet(prefixlen_diff=step).subnet_of(block)


@given(blocks.filter(lambda block: block.version == 6 or block.prefixlen <= 24 or block.prefixlen == 32), st.data())
def test_each_address_lies_under_exactly_one_apex(block, data):
    address = data.draw(st.ip_addresses(v=block.version, network=str(block)))
    names = apexes(block)
    assert sum(is_subdomain(reverse_name(address.packed), apex) for apex in names) == 1


@given(blocks, st.ip_addresses())
def test_no_address_outside_lies_under_an_apex(block, address):
    try:
        names = apexes(block)
    except BlockError:
        names = ()
    inside = address.version == block.version and address in block
    assert any(is_subdomain(reverse_name(address.packed), apex) for apex in names) is (inside and bool(names))


@given(blocks)
def test_an_apex_reads_back_as_its_part(block):
    try:
        names = apexes(block)
    except BlockError:
        return
    assert tuple(parse_reverse_prefix(apex) for apex in names) == split_block(block)


@given(blocks)
def test_the_enclosing_block_is_one_zone_and_the_smallest(block):
    try:
        enclosing = enclosing_zone_block(block)
    except BlockError:
        assert block.prefixlen < (8 if block.version == 4 else 4)
        return
    assert block.subnet_of(enclosing) and split_block(enclosing) == (enclosing,)
    assert enclosing.prefixlen + (8 if block.version == 4 else 4) > block.prefixlen


@given(st.ip_addresses())
def test_an_address_and_its_name_are_one(address):
    name = reverse_name(address.packed)
    assert format_name(name) == address.reverse_pointer + "."
    assert parse_reverse_name(name) == address.packed


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("10.in-addr.arpa", "10.0.0.0/8"),
        ("0.10.in-addr.arpa", "10.0.0.0/16"),
        ("3.0.0.10.in-addr.arpa", "10.0.0.3/32"),
        ("d.f.ip6.arpa", "fd00::/8"),
        ("0.ip6.arpa", "::/4"),
        ("in-addr.arpa", None),
        ("ip6.arpa", None),
        ("arpa", None),
        (".", None),
        ("01.0.0.10.in-addr.arpa", None),  # not how RFC 1035 section 3.5 writes it
        ("256.0.0.10.in-addr.arpa", None),
        ("9.3.0.0.10.in-addr.arpa", None),  # below a whole address
        ("a.10.in-addr.arpa", None),
        ("g.d.f.ip6.arpa", None),
        ("10.d.f.ip6.arpa", None),
        ("0." * 33 + "ip6.arpa", None),
        ("64/26.2.1.10.in-addr.arpa", None),  # RFC 2317: a name of the operator's choice
        ("10.in-addr.arpa.example.com", None),
        ("10.xin-addr.arpa", None),
        ("1.x\\007in-addr.arpa", None),  # octets of a label that look like the end of the name
        ("10.home.arpa", None),
        ("10.in-addr.test", None),
    ],
)
def test_what_a_name_stands_for(name, block):
    block = ip_network(block) if block else None
    assert parse_reverse_prefix(pack_name(name)) == block
    whole = block is not None and block.prefixlen == block.max_prefixlen
    assert parse_reverse_name(pack_name(name)) == (block.network_address.packed if whole else None)


@given(wire_names)
def test_any_name_reads_as_the_block_that_writes_it_or_as_none(labels):
    name = join_labels(labels)
    block = parse_reverse_prefix(name)
    if block is not None and (block.version == 6 or block.prefixlen in (8, 16, 24, 32)):
        assert apexes(block) == (name,)
    address = parse_reverse_name(name)
    assert address is None or reverse_name(address) == name
    assert address is None or ip_address(address) in block
