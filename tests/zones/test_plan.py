import struct

import pytest

from blackhole_guard.reserved.registry import ZONES
from blackhole_guard.wire.names import pack_name


def read_soa(rrset):
    names = rrset.rdatas[0][:-20]
    return names, struct.unpack(">5I", rrset.rdatas[0][-20:])


def test_without_maps_there_is_every_zone_of_the_registry_and_the_extras(build):
    built = build()
    assert built.said == []
    assert set(built.zones.zones) == {row.apex for row in ZONES}
    assert len(built.zones.zones) == 102
    assert not any(zone.mapped for zone in built.zones.zones.values())


@pytest.mark.parametrize("row", ZONES, ids=lambda row: row.block)
def test_an_empty_zone_has_the_records_of_rfc_6303(build, row):
    zone = build().zones.zones[row.apex]
    names, numbers = read_soa(zone.soa)
    assert names == row.apex + pack_name("nobody.invalid")
    assert numbers == (0, 3600, 1200, 604800, 10800)  # the store gives the serial
    assert (zone.soa.ttl, zone.ns.ttl, zone.ttl) == (10800, 10800, 10800)
    assert zone.ns.rdatas == (row.apex,)
    assert (zone.ledger, zone.serial) == (row.block, None)


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ("reserved: {serve: false}\n", 2),
        ("reserved: {extras: false}\n", 100),
        ("reserved: {serve: false, extras: false}\n", 0),
    ],
)
def test_built_in_zones_can_be_switched_off_as_a_whole(build, config, count):
    assert len(build(config=config).zones.zones) == count


@pytest.mark.parametrize(
    ("block", "labels"),
    [
        ("10.0.0.0/8", ["10.0.0.0/8"]),
        ("10.1.2.0/24", ["10.1.2.0/24"]),
        ("172.20.0.0/14", ["172.20.0.0/16", "172.21.0.0/16", "172.22.0.0/16", "172.23.0.0/16"]),
        ("100.64.0.0/10", [f"100.{octet}.0.0/16" for octet in range(64, 128)]),
        ("10.6.84.0/26", []),  # lives in the zone that covers it
        ("10.6.84.9/32", ["10.6.84.9/32"]),
        ("fd12:3456::/48", ["fd12:3456::/48"]),
        ("fd12:3456::/47", ["fd12:3456::/48", "fd12:3456:1::/48"]),
        ("fe80::/10", ["fe80::/12", "fe90::/12", "fea0::/12", "feb0::/12"]),
        ("::1/128", ["::1/128"]),
    ],
)
def test_a_block_is_exact(build, block, labels):
    built = build(f"zone: {block}\n")
    assert built.said == []
    assert built.mapped() == labels


def test_named_zones_take_a_map(build):
    built = build("zone: home.arpa\nns: [ns1.example.com]\n")
    assert built.mapped() == ["home.arpa"]
    zone = built.zone("home.arpa")
    assert (zone.ledger, zone.block, zone.ns.rdatas) == ("home.arpa", None, (pack_name("ns1.example.com"),))


@pytest.mark.parametrize(
    ("text", "ledger"),
    [
        ("zone: 10.1.0.0/16\n", "10.0.0.0/8"),
        ("zone: 172.20.0.0/14\n", "172.16.0.0/12"),
        ("zone: 11.0.0.0/8\nallow_public: true\n", None),
        ("zone: 10.0.0.0/7\nallow_public: true\n", None),  # the part that is 11.0.0.0/8
    ],
)
def test_a_zone_is_in_the_ledger_if_its_block_is_reserved(build, text, ledger):
    built = build(text)
    assert [zone for zone in built.zones.zones.values() if zone.mapped][-1].ledger == ledger


@pytest.mark.parametrize(
    ("config", "text", "names", "numbers", "ttl"),
    [
        ("", "zone: 10.0.0.0/8\n", "10.in-addr.arpa nobody.invalid", (0, 3600, 1200, 604800, 10800), 3600),
        ("", "zone: 10.0.0.0/8\nns: [a.example, b.example]\n", "a.example nobody.invalid", None, None),
        ("defaults: {ns: [n.example]}\n", "zone: 10.0.0.0/8\n", "n.example nobody.invalid", None, None),
        (
            "defaults: {ns: [n.example]}\n",
            "zone: 10.0.0.0/8\nns: [m.example]\n",
            "m.example nobody.invalid",
            None,
            None,
        ),
        (
            "defaults: {ttl: 60, soa: {mname: m.example, rname: r@example.com, serial: 7, refresh: 1}}\n",
            "zone: 10.0.0.0/8\nsoa: {retry: 2, expire: 3, minimum: 4}\n",
            "m.example r.example.com",
            (7, 1, 2, 3, 4),
            60,
        ),
        (
            "",
            "zone: 10.0.0.0/8\nttl: 4h\nsoa: {serial: 2009012501}\n",
            None,
            (2009012501, 3600, 1200, 604800, 10800),
            14400,
        ),
        ("", "zone: 10.0.0.0/8\nttl: 0\nsoa: {serial: 0, refresh: 0}\n", None, (0, 0, 1200, 604800, 10800), 0),
    ],
)
def test_what_a_map_does_not_say_the_defaults_do(build, config, text, names, numbers, ttl):
    zone = build(text, config=config).zone("10.in-addr.arpa")
    found_names, found_numbers = read_soa(zone.soa)
    if names is not None:
        assert found_names == b"".join(map(pack_name, names.split()))
    if numbers is not None:
        assert found_numbers == numbers
        assert zone.serial == (numbers[0] if "serial" in text + config else None)
    if ttl is not None:
        assert (zone.ttl, zone.soa.ttl, zone.ns.ttl) == (ttl, ttl, ttl)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_longer_prefix_decides_whatever_the_order_of_files(build, order):
    maps = [
        "zone: 172.16.0.0/12\nns: [wide.example]\nttl: 60\nsoa: {mname: wide.example, refresh: 5}\n",
        "zone: 172.20.0.0/16\nsoa: {mname: narrow.example}\n",
    ]
    built = build(*(maps[index] for index in order))
    assert built.said == []
    narrow, wide = built.zone("20.172.in-addr.arpa"), built.zone("21.172.in-addr.arpa")
    assert read_soa(narrow.soa)[0].startswith(pack_name("narrow.example"))
    assert read_soa(wide.soa)[0].startswith(pack_name("wide.example"))
    # What the narrow map does not say, the wide one does: it is a map of this zone, too.
    assert (narrow.ns.rdatas, narrow.ttl, read_soa(narrow.soa)[1][1]) == ((pack_name("wide.example"),), 60, 5)
    assert narrow.place.file == f"{'ab'[order.index(1)]}.yaml"


def test_a_zone_inside_another_takes_nothing_from_it(build):
    built = build("zone: 10.0.0.0/8\nns: [wide.example]\nttl: 60\n", "zone: 10.1.0.0/16\n")
    narrow = built.zone("1.10.in-addr.arpa")
    assert (narrow.ns.rdatas, narrow.ttl) == ((narrow.apex,), 3600)


@pytest.mark.parametrize(
    ("maps", "gone", "there"),
    [
        (["zone: 10.0.0.0/8\nserve: false\n"], ["10.in-addr.arpa"], ["168.192.in-addr.arpa"]),
        (["zone: home.arpa\nserve: false\n"], ["home.arpa"], ["service.arpa"]),
        (["zone: 10.0.0.0/8\nserve: no\n", "zone: 10.1.0.0/16\n"], ["10.in-addr.arpa"], ["1.10.in-addr.arpa"]),
        (["zone: 172.16.0.0/12\nserve: false\n"], ["16.172.in-addr.arpa", "31.172.in-addr.arpa"], []),
        (["zone: 172.20.0.0/14\nserve: false\n"], ["20.172.in-addr.arpa"], ["24.172.in-addr.arpa"]),
        (
            ["zone: 172.16.0.0/12\nserve: false\n", "zone: 172.20.0.0/16\n"],
            ["21.172.in-addr.arpa"],
            ["20.172.in-addr.arpa"],
        ),
        (
            ["zone: 172.16.0.0/12\n", "zone: 172.20.0.0/16\nserve: false\n"],
            ["20.172.in-addr.arpa"],
            ["21.172.in-addr.arpa"],
        ),
        (["zone: 127.0.0.0/8\nserve: false\n"], ["127.in-addr.arpa"], []),
    ],
)
def test_a_zone_can_be_switched_off_alone(build, maps, gone, there):
    for order in (maps, maps[::-1]):
        built = build(*order)
        assert built.said == []
        assert [built.zone(apex) for apex in gone] == [None] * len(gone)
        assert None not in [built.zone(apex) for apex in there]


def test_switching_off_a_part_of_a_zone_that_is_served_is_told(build):
    assert build("zone: 10.1.0.0/16\nserve: false\n").said == [
        "warning: a.yaml:2: 10.1.0.0/16 is switched off, but 10.0.0.0/8 is served and holds it: its names do not exist"
    ]


@pytest.mark.parametrize(
    ("maps", "config", "said"),
    [
        (["zone: 10.6.84.0/26\nptr: {10.6.84.1: a.example.com}\n"], "", []),
        (
            ["zone: 10.6.84.0/26\n"],
            "reserved: {serve: false}\n",
            ["a.yaml:1: 10.6.84.0/26 is a part of the zone 10.6.84.0/24, and no zone that is served covers it"],
        ),
        (["zone: 10.6.84.0/26\n", "zone: 10.6.84.0/24\n"], "reserved: {serve: false}\n", []),
        (
            ["zone: 8.8.8.0/25\nallow_public: true\n"],
            "",
            ["a.yaml:1: 8.8.8.0/25 is a part of the zone 8.8.8.0/24, and no zone that is served covers it"],
        ),
        (["zone: 8.8.8.0/25\nallow_public: true\n", "zone: 8.0.0.0/8\nallow_public: true\n"], "", []),
    ],
)
def test_a_block_below_24_lives_in_the_zone_that_covers_it(build, maps, config, said):
    assert build(*maps, config=config).said == said


def test_zones_stand_in_the_order_of_their_addresses_named_ones_last(build):
    labels = [zone.label for zone in build("zone: 10.1.0.0/16\n", "zone: fd00:1::/32\n").zones.zones.values()]
    assert labels[:3] == ["0.0.0.0/8", "10.0.0.0/8", "10.1.0.0/16"]
    assert labels[-4:] == ["empty.as112.arpa", "home.arpa", "resolver.arpa", "service.arpa"]
    assert labels.index("fd00::/8") + 1 == labels.index("fd00:1::/32")
