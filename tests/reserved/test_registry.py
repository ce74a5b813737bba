"""The registry's rows against a copy of the table, and what is found in them."""

import zipfile
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.reserved import registry
from blackhole_guard.reserved.addresses import apexes, reverse_name
from blackhole_guard.reserved.registry import (
    BLOCKS,
    LOCALHOST,
    NODATA_NAMES,
    ZONES,
    Sink,
    find_block,
    find_reserved_name,
    find_reserved_network,
    is_public_address,
    is_reserved,
    is_reserved_address,
)
from blackhole_guard.wire.names import format_name, pack_name

# IANA, Locally-Served DNS Zones, of 2025-06-16: zone | prefix | what | reference | sink
TABLE = """
10.in-addr.arpa | 10.0.0.0/8 | private use | RFC 6303 | as112
16.172.in-addr.arpa | 172.16.0.0/16 | private use | RFC 6303 | as112
17.172.in-addr.arpa | 172.17.0.0/16 | private use | RFC 6303 | as112
18.172.in-addr.arpa | 172.18.0.0/16 | private use | RFC 6303 | as112
19.172.in-addr.arpa | 172.19.0.0/16 | private use | RFC 6303 | as112
20.172.in-addr.arpa | 172.20.0.0/16 | private use | RFC 6303 | as112
21.172.in-addr.arpa | 172.21.0.0/16 | private use | RFC 6303 | as112
22.172.in-addr.arpa | 172.22.0.0/16 | private use | RFC 6303 | as112
23.172.in-addr.arpa | 172.23.0.0/16 | private use | RFC 6303 | as112
24.172.in-addr.arpa | 172.24.0.0/16 | private use | RFC 6303 | as112
25.172.in-addr.arpa | 172.25.0.0/16 | private use | RFC 6303 | as112
26.172.in-addr.arpa | 172.26.0.0/16 | private use | RFC 6303 | as112
27.172.in-addr.arpa | 172.27.0.0/16 | private use | RFC 6303 | as112
28.172.in-addr.arpa | 172.28.0.0/16 | private use | RFC 6303 | as112
29.172.in-addr.arpa | 172.29.0.0/16 | private use | RFC 6303 | as112
30.172.in-addr.arpa | 172.30.0.0/16 | private use | RFC 6303 | as112
31.172.in-addr.arpa | 172.31.0.0/16 | private use | RFC 6303 | as112
168.192.in-addr.arpa | 192.168.0.0/16 | private use | RFC 6303 | as112
254.169.in-addr.arpa | 169.254.0.0/16 | link local | RFC 6303 | as112
0.in-addr.arpa | 0.0.0.0/8 | this network | RFC 6303 | arpa
127.in-addr.arpa | 127.0.0.0/8 | loopback | RFC 6303 | arpa
255.255.255.255.in-addr.arpa | 255.255.255.255/32 | broadcast | RFC 6303 | arpa
2.0.192.in-addr.arpa | 192.0.2.0/24 | TEST-NET-1 | RFC 6303 | rir
100.51.198.in-addr.arpa | 198.51.100.0/24 | TEST-NET-2 | RFC 6303 | rir
113.0.203.in-addr.arpa | 203.0.113.0/24 | TEST-NET-3 | RFC 6303 | rir
64.100.in-addr.arpa | 100.64.0.0/16 | shared address space | RFC 7793 | iana
65.100.in-addr.arpa | 100.65.0.0/16 | shared address space | RFC 7793 | iana
66.100.in-addr.arpa | 100.66.0.0/16 | shared address space | RFC 7793 | iana
67.100.in-addr.arpa | 100.67.0.0/16 | shared address space | RFC 7793 | iana
68.100.in-addr.arpa | 100.68.0.0/16 | shared address space | RFC 7793 | iana
69.100.in-addr.arpa | 100.69.0.0/16 | shared address space | RFC 7793 | iana
70.100.in-addr.arpa | 100.70.0.0/16 | shared address space | RFC 7793 | iana
71.100.in-addr.arpa | 100.71.0.0/16 | shared address space | RFC 7793 | iana
72.100.in-addr.arpa | 100.72.0.0/16 | shared address space | RFC 7793 | iana
73.100.in-addr.arpa | 100.73.0.0/16 | shared address space | RFC 7793 | iana
74.100.in-addr.arpa | 100.74.0.0/16 | shared address space | RFC 7793 | iana
75.100.in-addr.arpa | 100.75.0.0/16 | shared address space | RFC 7793 | iana
76.100.in-addr.arpa | 100.76.0.0/16 | shared address space | RFC 7793 | iana
77.100.in-addr.arpa | 100.77.0.0/16 | shared address space | RFC 7793 | iana
78.100.in-addr.arpa | 100.78.0.0/16 | shared address space | RFC 7793 | iana
79.100.in-addr.arpa | 100.79.0.0/16 | shared address space | RFC 7793 | iana
80.100.in-addr.arpa | 100.80.0.0/16 | shared address space | RFC 7793 | iana
81.100.in-addr.arpa | 100.81.0.0/16 | shared address space | RFC 7793 | iana
82.100.in-addr.arpa | 100.82.0.0/16 | shared address space | RFC 7793 | iana
83.100.in-addr.arpa | 100.83.0.0/16 | shared address space | RFC 7793 | iana
84.100.in-addr.arpa | 100.84.0.0/16 | shared address space | RFC 7793 | iana
85.100.in-addr.arpa | 100.85.0.0/16 | shared address space | RFC 7793 | iana
86.100.in-addr.arpa | 100.86.0.0/16 | shared address space | RFC 7793 | iana
87.100.in-addr.arpa | 100.87.0.0/16 | shared address space | RFC 7793 | iana
88.100.in-addr.arpa | 100.88.0.0/16 | shared address space | RFC 7793 | iana
89.100.in-addr.arpa | 100.89.0.0/16 | shared address space | RFC 7793 | iana
90.100.in-addr.arpa | 100.90.0.0/16 | shared address space | RFC 7793 | iana
91.100.in-addr.arpa | 100.91.0.0/16 | shared address space | RFC 7793 | iana
92.100.in-addr.arpa | 100.92.0.0/16 | shared address space | RFC 7793 | iana
93.100.in-addr.arpa | 100.93.0.0/16 | shared address space | RFC 7793 | iana
94.100.in-addr.arpa | 100.94.0.0/16 | shared address space | RFC 7793 | iana
95.100.in-addr.arpa | 100.95.0.0/16 | shared address space | RFC 7793 | iana
96.100.in-addr.arpa | 100.96.0.0/16 | shared address space | RFC 7793 | iana
97.100.in-addr.arpa | 100.97.0.0/16 | shared address space | RFC 7793 | iana
98.100.in-addr.arpa | 100.98.0.0/16 | shared address space | RFC 7793 | iana
99.100.in-addr.arpa | 100.99.0.0/16 | shared address space | RFC 7793 | iana
100.100.in-addr.arpa | 100.100.0.0/16 | shared address space | RFC 7793 | iana
101.100.in-addr.arpa | 100.101.0.0/16 | shared address space | RFC 7793 | iana
102.100.in-addr.arpa | 100.102.0.0/16 | shared address space | RFC 7793 | iana
103.100.in-addr.arpa | 100.103.0.0/16 | shared address space | RFC 7793 | iana
104.100.in-addr.arpa | 100.104.0.0/16 | shared address space | RFC 7793 | iana
105.100.in-addr.arpa | 100.105.0.0/16 | shared address space | RFC 7793 | iana
106.100.in-addr.arpa | 100.106.0.0/16 | shared address space | RFC 7793 | iana
107.100.in-addr.arpa | 100.107.0.0/16 | shared address space | RFC 7793 | iana
108.100.in-addr.arpa | 100.108.0.0/16 | shared address space | RFC 7793 | iana
109.100.in-addr.arpa | 100.109.0.0/16 | shared address space | RFC 7793 | iana
110.100.in-addr.arpa | 100.110.0.0/16 | shared address space | RFC 7793 | iana
111.100.in-addr.arpa | 100.111.0.0/16 | shared address space | RFC 7793 | iana
112.100.in-addr.arpa | 100.112.0.0/16 | shared address space | RFC 7793 | iana
113.100.in-addr.arpa | 100.113.0.0/16 | shared address space | RFC 7793 | iana
114.100.in-addr.arpa | 100.114.0.0/16 | shared address space | RFC 7793 | iana
115.100.in-addr.arpa | 100.115.0.0/16 | shared address space | RFC 7793 | iana
116.100.in-addr.arpa | 100.116.0.0/16 | shared address space | RFC 7793 | iana
117.100.in-addr.arpa | 100.117.0.0/16 | shared address space | RFC 7793 | iana
118.100.in-addr.arpa | 100.118.0.0/16 | shared address space | RFC 7793 | iana
119.100.in-addr.arpa | 100.119.0.0/16 | shared address space | RFC 7793 | iana
120.100.in-addr.arpa | 100.120.0.0/16 | shared address space | RFC 7793 | iana
121.100.in-addr.arpa | 100.121.0.0/16 | shared address space | RFC 7793 | iana
122.100.in-addr.arpa | 100.122.0.0/16 | shared address space | RFC 7793 | iana
123.100.in-addr.arpa | 100.123.0.0/16 | shared address space | RFC 7793 | iana
124.100.in-addr.arpa | 100.124.0.0/16 | shared address space | RFC 7793 | iana
125.100.in-addr.arpa | 100.125.0.0/16 | shared address space | RFC 7793 | iana
126.100.in-addr.arpa | 100.126.0.0/16 | shared address space | RFC 7793 | iana
127.100.in-addr.arpa | 100.127.0.0/16 | shared address space | RFC 7793 | iana
0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa | ::/128 | unspecified | RFC 6303 | arpa
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa | ::1/128 | loopback | RFC 6303 | arpa
d.f.ip6.arpa | fd00::/8 | unique local, locally assigned | RFC 6303 | arpa
8.e.f.ip6.arpa | fe80::/12 | link local | RFC 6303 | arpa
9.e.f.ip6.arpa | fe90::/12 | link local | RFC 6303 | arpa
a.e.f.ip6.arpa | fea0::/12 | link local | RFC 6303 | arpa
b.e.f.ip6.arpa | feb0::/12 | link local | RFC 6303 | arpa
8.b.d.0.1.0.0.2.ip6.arpa | 2001:db8::/32 | documentation | RFC 6303 | arpa
home.arpa | - | homenet | RFC 8375 | as112
resolver.arpa | - | resolver discovery | RFC 9462 | arpa
service.arpa | - | service registration | RFC 9665 | as112
"""
EXTRAS = """
empty.as112.arpa | - | target of AS112 redirection | RFC 7535 | as112-dname
0.f.f.f.3.ip6.arpa | 3fff::/20 | documentation | RFC 9637 | arpa
"""


def rows(table: str) -> list[tuple[str, ...]]:
    return [tuple(cell.strip() for cell in line.split(" | ")) for line in table.strip().splitlines()]


def shown(extra: bool) -> list[tuple[str, ...]]:
    return [
        (
            format_name(zone.apex).removesuffix("."),
            str(zone.network) if zone.network else "-",
            zone.what,
            zone.reference,
            zone.sink.value,
        )
        for zone in ZONES
        if zone.extra is extra
    ]


def test_the_table_has_89_and_8_and_3_zones():
    names = [row[0] for row in rows(TABLE)]
    assert sum(name.endswith(".in-addr.arpa") for name in names) == 89
    assert sum(name.endswith(".ip6.arpa") for name in names) == 8
    assert [name for name in names if not name.endswith((".in-addr.arpa", ".ip6.arpa"))] == [
        "home.arpa",
        "resolver.arpa",
        "service.arpa",
    ]


def test_the_registry_is_the_table():
    assert shown(extra=False) == rows(TABLE)


def test_the_extras_are_marked():
    assert shown(extra=True) == rows(EXTRAS)


def test_the_date_is_the_registrys():
    assert registry.UPDATED == "2025-06-16"


@pytest.mark.parametrize("zone", [zone for zone in ZONES if zone.network], ids=lambda zone: format_name(zone.apex))
def test_apex_and_network_of_a_row_agree_by_arithmetic(zone):
    assert apexes(zone.network) == (zone.apex,)


def test_the_blocks_of_the_ledger_in_the_order_of_the_registry():
    assert dict(BLOCKS) == {
        "10.0.0.0/8": Sink.AS112,
        "172.16.0.0/12": Sink.AS112,
        "192.168.0.0/16": Sink.AS112,
        "169.254.0.0/16": Sink.AS112,
        "0.0.0.0/8": Sink.ARPA,
        "127.0.0.0/8": Sink.ARPA,
        "255.255.255.255/32": Sink.ARPA,
        "192.0.2.0/24": Sink.RIR,
        "198.51.100.0/24": Sink.RIR,
        "203.0.113.0/24": Sink.RIR,
        "100.64.0.0/10": Sink.IANA,
        "::/128": Sink.ARPA,
        "::1/128": Sink.ARPA,
        "fd00::/8": Sink.ARPA,
        "fe80::/10": Sink.ARPA,
        "2001:db8::/32": Sink.ARPA,
        "home.arpa": Sink.AS112,
        "resolver.arpa": Sink.ARPA,
        "service.arpa": Sink.AS112,
        "empty.as112.arpa": Sink.AS112_DNAME,
        "3fff::/20": Sink.ARPA,
    }


def test_the_rows_of_a_block_fill_it_and_share_one_sink():
    for block in [block for block in BLOCKS if "/" in block]:
        zones = [zone for zone in ZONES if zone.block == block]
        assert sum(zone.network.num_addresses for zone in zones) == ip_network(block).num_addresses, block
        assert all(zone.network.subnet_of(ip_network(block)) for zone in zones), block
        assert {zone.sink for zone in zones} == {BLOCKS[block]}, block


@pytest.mark.parametrize(
    ("network", "row", "reserved", "block"),
    [
        ("10.0.0.0/8", "10.0.0.0/8", True, "10.0.0.0/8"),
        ("10.0.0.3/32", "10.0.0.0/8", True, "10.0.0.0/8"),
        ("10.6.84.0/26", "10.0.0.0/8", True, "10.0.0.0/8"),
        ("172.20.0.0/16", "172.20.0.0/16", True, "172.16.0.0/12"),
        ("172.20.0.0/14", None, True, "172.16.0.0/12"),  # four rows together
        ("172.16.0.0/12", None, True, "172.16.0.0/12"),
        ("172.0.0.0/11", None, False, None),  # 172.0.0.0/12 is public
        ("100.64.0.0/10", None, True, "100.64.0.0/10"),
        ("100.0.0.0/8", None, False, None),
        ("255.255.255.255/32", "255.255.255.255/32", True, "255.255.255.255/32"),
        ("255.0.0.0/8", None, False, None),
        ("192.0.2.128/25", "192.0.2.0/24", True, "192.0.2.0/24"),
        ("192.0.0.0/24", None, False, None),
        ("8.8.8.0/24", None, False, None),
        ("0.0.0.0/7", None, False, None),
        ("fd12:3456::/48", "fd00::/8", True, "fd00::/8"),
        ("fc00::/7", None, False, None),  # fc00::/8 is not in the registry
        ("fe80::/10", None, True, "fe80::/10"),
        ("fe80::1/128", "fe80::/12", True, "fe80::/10"),
        ("fec0::/10", None, False, None),  # the old site-local space is not in the registry
        ("::1/128", "::1/128", True, "::1/128"),
        ("::/127", None, True, None),  # two rows, and two blocks of the ledger
        ("::/126", None, False, None),
        ("2001:db8:1::/48", "2001:db8::/32", True, "2001:db8::/32"),
        ("3fff:fff::/32", "3fff::/20", True, "3fff::/20"),
        ("::a00:3/128", None, False, None),  # 10.0.0.3 as a number, but of the other family
    ],
)
def test_a_block_is_found_in_the_registry(network, row, reserved, block):
    network = ip_network(network)
    found = find_reserved_network(network)
    assert (str(found.network) if found else None) == row
    assert is_reserved(network) is reserved
    assert find_block(network) == block


@pytest.mark.parametrize(
    ("name", "apex"),
    [
        ("10.in-addr.arpa", "10.in-addr.arpa"),
        ("3.0.0.10.in-addr.arpa", "10.in-addr.arpa"),
        ("x.y.3.0.0.10.in-addr.arpa", "10.in-addr.arpa"),
        ("110.in-addr.arpa", None),
        ("in-addr.arpa", None),
        ("32.172.in-addr.arpa", None),
        ("printer.home.arpa", "home.arpa"),
        ("xhome.arpa", None),
        ("_dns.resolver.arpa", "resolver.arpa"),
        ("empty.as112.arpa", "empty.as112.arpa"),
        ("as112.arpa", None),
        ("example.com", None),
        (".", None),
    ],
)
def test_a_name_is_found_at_or_below_an_apex(name, apex):
    found = find_reserved_name(pack_name(name))
    assert (found.apex if found else None) == (pack_name(apex) if apex else None)


@given(
    st.sampled_from([zone for zone in ZONES if zone.network]).flatmap(
        lambda zone: st.tuples(st.just(zone), st.ip_addresses(network=str(zone.network)))
    )
)
def test_an_address_of_a_row_is_found_by_address_and_by_name(zone_and_address):
    zone, address = zone_and_address
    assert find_reserved_network(ip_network(address)) is zone
    assert find_reserved_name(reverse_name(address.packed)) is zone
    assert is_reserved(ip_network(address))
    assert find_block(ip_network(address)) == zone.block


@given(st.ip_addresses())
def test_address_and_name_of_any_address_lead_to_the_same_row(address):
    assert find_reserved_network(ip_network(address)) is find_reserved_name(reverse_name(address.packed))


def test_special_names_and_addresses():
    assert [format_name(name) for name in NODATA_NAMES] == ["_dns.resolver.arpa."]
    assert [str(ip_network(address)) for address in LOCALHOST] == ["127.0.0.1/32", "::1/128"]


def test_the_data_is_in_the_wheel(tmp_path):
    root = Path(registry.__file__).parents[2]
    wheel = next(WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"]))
    assert "blackhole_guard/reserved/zones.csv" in zipfile.ZipFile(wheel).namelist()


EDGES = [
    ip_address(max(0, min(edge, 2**network.max_prefixlen - 1)).to_bytes(network.max_prefixlen // 8))
    for network in (zone.network for zone in ZONES if zone.network is not None)
    for edge in (
        int(network.network_address) - 1,
        int(network.network_address),
        int(network.broadcast_address),
        int(network.broadcast_address) + 1,
    )
]


@given(st.one_of(st.ip_addresses(), st.sampled_from(EDGES)))
def test_an_address_is_reserved_if_its_name_is_in_a_row(address):
    in_a_row = find_reserved_name(reverse_name(address.packed)) is not None
    assert is_reserved_address(address.packed) is in_a_row


@pytest.mark.parametrize(
    ("address", "public"),
    [("8.8.8.8", True), ("2001:4860:4860::8888", True), ("172.31.255.255", False), ("172.32.0.1", True)]
    + [(each, False) for each in ("127.0.0.53", "::1", "fe80::1", "fd00::1", "fc00::1", "169.254.1.1", "0.0.0.0")],
)
def test_which_addresses_are_outside(address, public):
    assert is_public_address(ip_address(address).packed) is public
