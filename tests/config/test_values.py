"""Scalars, as text."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.config.problems import ValueProblem
from blackhole_guard.config.values import (
    check_range,
    explain_address,
    format_duration,
    parse_address,
    parse_block,
    parse_boolean,
    parse_duration,
    parse_number,
    parse_size,
)

PARSERS = [parse_boolean, parse_number, parse_duration, parse_size, parse_address, parse_block]


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_boolean, "true", True),
        (parse_boolean, "Yes", True),
        (parse_boolean, "ON", True),
        (parse_boolean, "false", False),
        (parse_boolean, "no", False),
        (parse_boolean, "off", False),
        (parse_number, "0", 0),
        (parse_number, "65535", 65535),
        (parse_duration, "300", 300),
        (parse_duration, "0", 0),
        (parse_duration, "30s", 30),
        (parse_duration, "4h", 14400),
        (parse_duration, "1h30m", 5400),
        (parse_duration, "2D", 172800),
        (parse_duration, "1w2d3h4m5s", 788645),
        (parse_size, "512", 512),
        (parse_size, "64MiB", 64 << 20),
        (parse_size, "64 mib", 64 << 20),
        (parse_size, "1kB", 1000),
        (parse_size, "2GB", 2_000_000_000),
        (parse_address, "10.0.0.3", ip_address("10.0.0.3")),
        (parse_address, "FD00:0:0::1", ip_address("fd00::1")),
        (parse_block, "10.0.0.0/8", ip_network("10.0.0.0/8")),
        (parse_block, "10.6.84.0/26", ip_network("10.6.84.0/26")),
        (parse_block, "FD12:3456::/48", ip_network("fd12:3456::/48")),
        (parse_block, "10.0.0.3/32", ip_network("10.0.0.3/32")),
    ],
)
def test_what_text_means(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "what", "hint"),
    [
        (parse_boolean, "1", "`1` is neither true nor false", "write `true` or `false`"),
        (parse_boolean, "y", "neither true nor false", "write `true`"),
        (parse_number, "", "is no whole number", "digits only"),
        (parse_number, "-1", "`-1` is no whole number", "digits only"),
        (parse_number, "1.5", "is no whole number", "digits only"),
        (parse_number, "1_000", "is no whole number", "digits only"),
        (parse_number, "\u0663", "is no whole number", "digits only"),
        (parse_number, "017", "`017` begins with a zero", "write `17`; numbers are decimal"),
        (parse_number, "9" * 21, "is no whole number", "digits only"),
        (parse_duration, "", "is no duration", "`1h30m`"),
        (parse_duration, "4 h", "is no duration", "`4h`"),
        (parse_duration, "30m1h", "is no duration", "`1h30m`"),
        (parse_duration, "1.5h", "is no duration", "`1h30m`"),
        (parse_duration, "4y", "is no duration", "`1w`"),
        (parse_duration, "0300", "begins with a zero", "write `300`"),
        (parse_size, "64 MiBs", "has a unit that is not known", "the units are B, KiB"),
        (parse_size, "64M", "has a unit that is not known", "MiB"),
        (parse_size, "MiB", "is no size", "`MiB`"),
        (parse_size, "064MiB", "begins with a zero", "write `64`"),
        (parse_address, "10.0.0", "has 3 octets", "four"),
        (parse_address, "10.0.0.256", "has an octet above 255", "0 to 255"),
        (parse_address, "10.0.0.010", "has a leading zero", "write `10.0.0.10`"),
        (parse_address, " 10.0.0.1", "has blanks around it", "write `10.0.0.1`"),
        (parse_address, "10.0.0.0/8", "is a block, not an address", "write one address"),
        (parse_address, "fd00:::1", "is no IPv6 address", "eight groups"),
        (parse_address, "web", "`web` is no address", "IPv4 or IPv6"),
        (parse_address, "", "is no address", "IPv4 or IPv6"),
        (parse_address, "fe80::1%eth0", "names an interface", "write `fe80::1`"),
        (parse_address, "::ffff:10.0.0.1", "is an IPv4 address in IPv6 clothes", "write `10.0.0.1`"),
        (parse_block, "10.0.0.0", "has no prefix length", "`10.0.0.0/8` for the block"),
        (parse_block, "10.0.0.3", "has no prefix length", "write `10.0.0.3/32`"),
        (parse_block, "0.0.0.0", "has no prefix length", "write `0.0.0.0/32`"),
        (parse_block, "10.0.0.0/33", "`/33` is no prefix length", "1 to 32"),
        (parse_block, "fd00::/129", "`/129` is no prefix length", "1 to 128"),
        (parse_block, "10.0.0.0/", "`/` is no prefix length", "1 to 32"),
        (parse_block, "10.0.0.0/255.0.0.0", "is no prefix length", "1 to 32"),
        (parse_block, "10.0.0.0/8/8", "is no prefix length", "1 to 32"),
        (parse_block, "10.0.0.0/08", "`/08` begins with a zero", "write `/8`"),
        (parse_block, "0.0.0.0/0", "is the whole address space", "name the blocks"),
        (parse_block, "10.0.0.3/8", "has bits set behind its prefix", "write `10.0.0.0/8`, or a longer prefix"),
        (parse_block, "fd00::1/64", "has bits set behind its prefix", "write `fd00::/64`"),
        (parse_block, "10.0.0.300/8", "has an octet above 255", "0 to 255"),
    ],
)
def test_what_is_wrong_with_text_and_how_to_mend_it(parse, text, what, hint):
    with pytest.raises(ValueProblem) as caught:
        parse(text)
    assert what in caught.value.what and hint in caught.value.hint


@given(st.sampled_from(PARSERS), st.text() | st.from_regex(r"[0-9a-fA-F:./hmdwskMGiB ]{0,30}", fullmatch=True))
def test_any_text_is_read_or_told(parse, text):
    try:
        parse(text)
    except ValueProblem as problem:
        assert problem.what and problem.hint
        assert (problem.what + problem.hint).isprintable() and len(problem.what) < 300


@given(st.integers(0, 2**31))
def test_a_duration_and_its_text_are_one(seconds):
    text = format_duration(seconds)
    assert parse_duration(text) == seconds
    assert format_duration(parse_duration(text)) == text


@given(st.ip_addresses().filter(lambda address: address.version == 4 or address.ipv4_mapped is None))
def test_an_address_and_its_text_are_one(address):
    assert parse_address(str(address)) == address


@given(st.ip_addresses().filter(lambda address: address.version == 4 or address.ipv4_mapped is None), st.data())
def test_a_block_is_exact(address, data):
    length = data.draw(st.integers(1, address.max_prefixlen))
    block = ip_network((address, length), strict=False)
    assert parse_block(str(block)) == block
    if block.network_address != address:
        with pytest.raises(ValueProblem) as caught:
            parse_block(f"{address}/{length}")
        assert f"write `{block}`" in caught.value.hint


@given(st.text())
def test_text_that_is_no_address_is_always_explained(text):
    what, hint = explain_address(text)
    assert what and hint


@pytest.mark.parametrize(
    ("number", "low", "high", "good"),
    [(1, 1, 2, True), (0, 1, 2, False), (3, 1, 2, False), (9, None, None, True), (3, None, 2, False)],
)
def test_bounds(number, low, high, good):
    if good:
        assert check_range(number, low, high) == number
        return
    with pytest.raises(ValueProblem) as caught:
        check_range(number, low, high, " seconds")
    assert caught.value.what == f"{number} is out of range"
    assert caught.value.hint == f"the least is {low or 0}, the most {high} seconds"
