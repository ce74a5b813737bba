from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walk_rows import walk_rows

from blackhole_guard.config.maps import MappedDelegation, PtrTable, Sources, ZoneMap
from blackhole_guard.config.problems import Place
from blackhole_guard.config.settings import Settings, Soa
from blackhole_guard.reserved.addresses import reverse_name
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import pack_name
from blackhole_guard.wire.values import make_ptrs, read_value
from blackhole_guard.zones.build import build_zones
from blackhole_guard.zones.view import ZoneView

LOCALHOST = pack_name("localhost")
V4, V6 = bytes((127, 0, 0, 1)), bytes(15) + b"\x01"


def test_localhost_has_its_names(build):
    zones = build().zones
    for address, apex in ((V4, "127.in-addr.arpa"), (V6, "1." + "0." * 31 + "ip6.arpa")):
        row = zones.find_ptr(address)
        assert (row.names, row.ttl, row.place) == ((LOCALHOST,), 10800, None)
        assert zones.zones[pack_name(apex)].records == 1
    assert zones.records == 2


@pytest.mark.parametrize(
    ("text", "names", "ttl"),
    [
        ("zone: 127.0.0.0/8\nptr: {127.0.0.1: me.example.com}\n", "me.example.com", 3600),
        ("zone: 127.0.0.1/32\nptr: {127.0.0.1: me.example.com}\n", "me.example.com", 3600),
        ("zone: 127.0.0.0/8\nttl: 5\nptr: {127.0.0.2: me.example.com}\n", "localhost", 5),
        ("zone: 127.0.0.0/8\nserve: false\n", None, None),
        ("zone: 127.0.0.0/8\ndelegate: {127.0.0.0/24: [ns.example.com]}\n", None, None),
    ],
)
def test_a_map_may_say_otherwise(build, text, names, ttl):
    built = build(text)
    row = built.zones.find_ptr(V4)
    assert built.said == []
    assert (row and row.names, row and row.ttl) == (names and (pack_name(names),), ttl)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_an_address_lands_in_the_smallest_zone_that_holds_it(build, order):
    maps = [
        "zone: 10.0.0.0/8\nptr: {10.0.0.1: a.example.com, 10.1.2.3: b.example.com}\n",
        "zone: 10.1.0.0/16\nptr: {10.1.9.9: c.example.com}\n",
        "zone: 10.1.2.0/24\nptr: {10.1.2.4: [d.example.com, e.example.com]}\n",
    ]
    built = build(*(maps[index] for index in order))
    counts = {zone.label: zone.records for zone in built.zones.zones.values() if zone.records}
    assert built.said == []
    assert counts == {"10.0.0.0/8": 1, "10.1.0.0/16": 1, "10.1.2.0/24": 3, "127.0.0.0/8": 1, "::1/128": 1}
    assert built.zones.records == 7


def test_entries_in_a_zone_that_another_map_switches_off_are_told(build):
    built = build(
        "zone: 172.16.0.0/12\nptr: {172.20.0.1: a.example.com, 172.21.0.1: b.example.com}\n",
        "zone: 172.20.0.0/16\nserve: false\n",
    )
    assert built.said == ["warning: a.yaml:2: 172.20.0.1 is not served: b.yaml:2 switches 172.20.0.0/16 off"]
    assert built.zones.find_ptr(bytes((172, 20, 0, 1))) is None
    assert built.zones.find_ptr(bytes((172, 21, 0, 1))).place == Place("a.yaml", 2)


@pytest.mark.parametrize(
    ("block", "address"),
    [
        ("10.20.0.0/16", "10.20.0.1"),
        ("10.20.0.0/15", "10.21.255.255"),
        ("10.1.2.64/26", "10.1.2.64"),
        ("10.1.2.7/32", "10.1.2.7"),
    ],
)
def test_a_ptr_below_a_delegation_is_an_error_that_names_both(build, block, address):
    built = build(
        f"zone: 10.0.0.0/8\nptr:\n  {address}: a.example.com\n",
        f"zone: 10.0.0.0/8\ndelegate:\n  {block}: [ns.example.com]\n",
    )
    part = next(str(cut.block) for cut in built.zones.cuts.values() if ip_address(address) in cut.block)
    assert built.said == [f"a.yaml:3: {address} (a.example.com) lies in {part}, which is delegated at b.yaml:3"]


def test_many_ptrs_below_a_delegation_are_told_in_a_few_lines(build):
    lines = "".join(f"  10.20.0.{octet}: a.example.com\n" for octet in range(30))
    built = build(f"zone: 10.0.0.0/8\nptr:\n{lines}", "zone: 10.0.0.0/8\ndelegate:\n  10.20.0.0/16: [ns.example.com]\n")
    assert len(built.said) == 21
    assert built.said[-1] == "a.yaml:23: 10 more entries lie in 10.20.0.0/16, which is delegated at b.yaml:3"


def test_the_walk_over_addresses_has_aliases_in_their_places(build):
    built = build(
        "zone: 10.0.0.0/8\nttl: 60\nptr: {10.0.0.1: a.example.com, 10.1.2.9: b.example.com, 10.9.9.9: c.example.com}\n"
        "delegate:\n  10.1.2.0/30: [ns.example.com]\n  10.1.2.12/31: [ns.example.com]\n",
        "zone: fd00::/8\nptr: {'fd00::1': d.example.com}\n",
    )
    rows = list(walk(built.zones))
    assert [address for address, _ in rows if len(address) == 4] == [
        *([bytes((10, 0, 0, 1))] + [bytes((10, 1, 2, octet)) for octet in (0, 1, 2, 3, 9, 12, 13)]),
        bytes((10, 9, 9, 9)),
        V4,
    ]
    assert [address[0] for address, _ in rows if len(address) == 16] == [0, 0xFD]
    assert [rrset.rtype for _, rrset in rows].count(RRType.CNAME) == 6
    assert built.zones.find_zone(pack_name("9.2.1.10.in-addr.arpa")).label == "10.0.0.0/8"
    assert built.zones.find_zone(pack_name("example.com")) is None


# --- random maps against a naive model

BASE = int(IPv4Address("10.0.0.0"))
blocks = st.tuples(st.integers(0, 2**11 - 1), st.integers(21, 32)).map(
    lambda each: ip_network((BASE + each[0], each[1]), strict=False)
)
zone_blocks = st.sets(blocks.filter(lambda each: each.prefixlen in (21, 22, 23, 24)), max_size=4)
entries = st.dictionaries(st.integers(0, 2**11 - 1), st.sampled_from(["a.example.com", "b.example.com"]), max_size=30)


@st.composite
def sources(draw):
    """Maps that hold what lies in them, and delegations of their blocks."""
    wanted = draw(entries)
    maps = []
    for number, block in enumerate([*draw(zone_blocks), ip_network("10.0.0.0/8")]):
        table = PtrTable()
        for offset, name in draw(st.permutations(list(wanted.items()))):
            address = ip_address(BASE + offset)
            if address in block and draw(st.booleans()):
                table.addresses.extend([address.packed])
                table.values.extend([make_ptrs(pack_name(name), 60)])
                table.lines.append(len(table.lines) + 1)
        inside = draw(st.sets(blocks.filter(lambda each: each.prefixlen > 24), max_size=2)) if number % 2 else ()
        place = Place(f"{number}.yaml", 1)
        delegations = tuple(
            MappedDelegation(each, {pack_name("ns.example.com"): ()}, place)
            for each in inside
            if each.prefixlen > block.prefixlen and each.network_address in block
        )
        maps.append(ZoneMap(block, str(block), place, 60, (), Soa(), True, False, table, delegations))
    return Sources(tuple(draw(st.permutations(maps))), {}, ())


@settings(deadline=None)
@given(sources())
def test_random_maps_equal_a_naive_model(given_sources):
    maps = given_sources.maps
    ptr = {a: v for each in maps for a, v in zip(each.ptr.addresses, each.ptr.values, strict=True)}
    zones, problems = build_zones(given_sources, Settings())
    delegated = [each.block for zone_map in maps for each in zone_map.delegations]
    naive_zones = [part for each in maps for part in naive_parts(each.block)]
    below = {a for a in ptr if any(ip_address(a) in block and not taken(a, block, naive_zones) for block in delegated)}
    for zone_block in naive_zones:
        held = [a for a in ptr if smallest(a, naive_zones) == zone_block]
        assert sum(1 for a in held) == next(z.records for z in zones.zones.values() if z.block == zone_block)
    errors = [each for each in problems if each.severity == "error"]
    crossing = any(a != b and a.subnet_of(b) for a in delegated for b in delegated)
    assert bool(below) <= bool(errors) and bool(errors) <= (bool(below) or crossing)
    if not errors:
        found = {a: rrset for a, rrset in walk(zones) if rrset.rtype == RRType.PTR and a[0] == 10}
        assert found == {a: read_value(b"", value) for a, value in ptr.items()}
        view = ZoneView(zones)
        for address in found:
            assert zones.find_zone(reverse_name(address)).block == smallest(address, naive_zones)
            assert view.find_enclosing(reverse_name(address))[1] is None
    walked = [(len(a), a) for a, _ in walk(zones)]
    assert walked == sorted(set(walked)) or errors


def walk(zones):
    """All addresses with their records."""
    return ((address, read_value(b"", value)) for address, value in walk_rows(zones.iter_runs(2)))


def naive_parts(block):
    return list(block.subnets(new_prefix=-(-block.prefixlen // 8) * 8))


def smallest(address, zone_blocks):
    return max((each for each in zone_blocks if ip_address(address) in each), key=lambda each: each.prefixlen)


def taken(address, block, zone_blocks):
    """Whether a zone of ours lies between a delegation and an address."""
    return smallest(address, zone_blocks).prefixlen > block.prefixlen
