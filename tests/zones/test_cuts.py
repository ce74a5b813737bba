from ipaddress import ip_address

import pytest

from blackhole_guard.wire.names import format_name, pack_name
from blackhole_guard.zones.view import ZoneView

NS = "{ns.example.com: 192.0.2.53}"


def owners(built):
    return [format_name(owner) for owner in built.zones.cuts]


@pytest.mark.parametrize(
    ("zone", "block", "names"),
    [
        ("10.0.0.0/8", "10.20.0.0/16", ["20.10.in-addr.arpa."]),
        ("10.0.0.0/8", "10.20.30.0/24", ["30.20.10.in-addr.arpa."]),
        ("10.0.0.0/8", "10.20.0.0/15", ["20.10.in-addr.arpa.", "21.10.in-addr.arpa."]),
        ("10.0.0.0/8", "10.0.4.0/22", [f"{octet}.0.10.in-addr.arpa." for octet in (4, 5, 6, 7)]),
        ("10.0.0.0/8", "10.1.2.64/26", ["64/26.2.1.10.in-addr.arpa."]),
        ("10.0.0.0/8", "10.1.2.0/25", ["0/25.2.1.10.in-addr.arpa."]),
        ("10.0.0.0/8", "10.1.2.6/31", ["6/31.2.1.10.in-addr.arpa."]),
        ("10.0.0.0/8", "10.1.2.7/32", ["7.2.1.10.in-addr.arpa."]),
        ("10.1.2.0/25", "10.1.2.64/26", ["64/26.2.1.10.in-addr.arpa."]),
        ("10.1.2.0/25", "10.1.2.0/25", ["0/25.2.1.10.in-addr.arpa."]),
        ("172.16.0.0/12", "172.20.0.0/16", ["20.172.in-addr.arpa."]),  # all of one of its zones
        ("172.16.0.0/12", "172.24.0.0/14", [f"{octet}.172.in-addr.arpa." for octet in range(24, 28)]),
        ("fd00:1::/32", "fd00:1:2::/48", ["2.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa."]),
        ("fd00:1::/32", "fd00:1:2::/47", [f"{n}.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa." for n in (2, 3)]),
        ("fd00::/8", "fd00::1/128", ["1." + "0." * 29 + "d.f.ip6.arpa."]),
    ],
)
def test_a_delegation_is_as_many_cuts_as_its_prefix_needs(build, zone, block, names):
    built = build(f"zone: {zone}\nttl: 77\ndelegate:\n  {block}: {NS}\n")
    assert built.said == []
    assert owners(built) == names
    for cut in built.zones.cuts.values():
        assert (cut.ns.owner, cut.ns.ttl, cut.ns.rdatas) == (cut.owner, 77, (pack_name("ns.example.com"),))
        assert [(each.owner, each.rtype, each.rdatas) for each in cut.glue] == [
            (pack_name("ns.example.com"), 1, (ip_address("192.0.2.53").packed,))
        ]
        assert str(cut.place) == "a.yaml:4"


def test_glue_is_one_rrset_for_each_type(build):
    servers = '{ns.example.com: [192.0.2.1, "2001:db8::1", 192.0.2.2], other.example.com: []}'
    built = build(f"zone: 10.0.0.0/8\ndelegate:\n  10.20.0.0/16: {servers}\n")
    (cut,) = built.zones.cuts.values()
    assert [(each.rtype, len(each.rdatas)) for each in cut.glue] == [(1, 2), (28, 1)]
    assert len(cut.ns.rdatas) == 2


def test_a_block_below_24_has_a_cname_for_each_address(build):
    built = build(f"zone: 10.0.0.0/8\nttl: 77\ndelegate:\n  10.1.2.64/26: {NS}\n")
    aliases = built.zones.aliases
    assert [alias.address for alias in aliases] == [bytes((10, 1, 2, octet)) for octet in range(64, 128)]
    assert format_name(aliases[1].target) == "65.64/26.2.1.10.in-addr.arpa."
    assert {alias.ttl for alias in aliases} == {77}
    assert built.zones.find_alias(bytes((10, 1, 2, 64))) == aliases[0]
    assert built.zones.find_alias(bytes((10, 1, 2, 128))) is None
    assert built.zones.find_alias(bytes((10, 1, 2, 63))) is None


def test_a_cut_belongs_to_the_smallest_zone_that_holds_it(build):
    built = build(f"zone: 10.0.0.0/8\ndelegate:\n  10.1.2.0/24: {NS}\n", "zone: 10.1.0.0/16\n")
    (cut,) = built.zones.cuts.values()
    assert format_name(cut.apex) == "1.10.in-addr.arpa."


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_zone_of_ours_below_a_delegation_wins(build, order):
    maps = [
        f"zone: 10.0.0.0/8\ndelegate:\n  10.20.0.0/15: {NS}\n",
        "zone: 10.20.5.0/24\nptr: {10.20.5.1: a.example.com}\n",
    ]
    built = build(*(maps[index] for index in order))
    assert built.said == []
    find = ZoneView(built.zones).find_enclosing
    assert find(pack_name("1.5.20.10.in-addr.arpa"))[1] is None
    assert find(pack_name("1.6.20.10.in-addr.arpa"))[1].owner == pack_name("20.10.in-addr.arpa")


def test_a_longer_zone_of_ours_that_is_all_of_a_cut_wins(build):
    built = build(f"zone: 10.0.0.0/8\ndelegate:\n  10.20.0.0/15: {NS}\n", "zone: 10.21.0.0/16\n")
    assert (built.said, owners(built)) == ([], ["20.10.in-addr.arpa."])


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (
            f"zone: 10.0.0.0/8\ndelegate:\n  10.20.0.0/16: {NS}\n",
            "zone: 10.20.0.0/16\n",
            ["a.yaml:3: 10.20.0.0/16 is delegated here, but is a zone of ours at b.yaml:1"],
        ),
        (
            f"zone: 10.0.0.0/8\ndelegate:\n  10.20.0.0/16: {NS}\n",
            f"zone: 10.0.0.0/8\ndelegate:\n  10.20.0.0/16: {NS}\n",
            ["warning: b.yaml:3: 10.20.0.0/16 is delegated twice, first at a.yaml:3"],
        ),
        (
            f"zone: 10.0.0.0/8\ndelegate:\n  10.20.0.0/16: {NS}\n",
            "zone: 10.0.0.0/8\ndelegate:\n  10.20.0.0/16: [ns.example.com]\n",
            ["b.yaml:3: 10.20.0.0/16 is delegated to other servers here than at a.yaml:3"],
        ),
        (
            f"zone: 10.0.0.0/8\ndelegate:\n  10.20.0.0/16: {NS}\n",
            f"zone: 10.0.0.0/8\ndelegate:\n  10.20.5.0/24: {NS}\n",
            ["b.yaml:3: 10.20.5.0/24 lies in 10.20.0.0/16, which is delegated at a.yaml:3"],
        ),
        (
            f"zone: 10.0.0.0/8\ndelegate:\n  10.1.2.0/25: {NS}\n",
            f"zone: 10.0.0.0/8\ndelegate:\n  10.1.2.64/26: {NS}\n",
            ["b.yaml:3: 10.1.2.64/26 lies in 10.1.2.0/25, which is delegated at a.yaml:3"],
        ),
        (  # on one line, and in one place
            f"zone: 10.0.0.0/8\ndelegate: {{10.1.2.0/25: {NS}, 10.1.2.64/26: {NS}}}\n",
            "zone: 10.0.0.0/8\n",
            ["a.yaml:2: 10.1.2.64/26 lies in 10.1.2.0/25, which is delegated at a.yaml:2"],
        ),
        (
            f"zone: 172.16.0.0/12\ndelegate:\n  172.20.0.0/16: {NS}\n",
            f"zone: 172.16.0.0/12\ndelegate:\n  172.20.5.0/24: {NS}\n",
            ["b.yaml:3: 172.20.5.0/24 lies in 172.20.0.0/16, which is delegated at a.yaml:3"],
        ),
        (  # a zone of ours lies between
            f"zone: 10.0.0.0/8\ndelegate:\n  10.20.0.0/16: {NS}\n",
            f"zone: 10.20.5.0/24\ndelegate:\n  10.20.5.64/26: {NS}\n",
            [],
        ),
    ],
)
def test_delegations_that_cross_something_else(build, first, second, said):
    assert build(first, second).said == said


def test_an_address_of_a_smaller_zone_gets_no_cname(build):
    built = build(f"zone: 10.0.0.0/8\ndelegate:\n  10.1.2.0/25: {NS}\n", "zone: 10.1.2.7/32\n")
    assert len(built.zones.aliases) == 127
    assert built.zones.find_alias(bytes((10, 1, 2, 7))) is None


def test_the_zone_above_shows_a_zone_that_has_name_servers(build):
    built = build(
        "zone: 10.0.0.0/8\nns: [ns.example.com]\n",
        "zone: 10.1.0.0/16\nns: [ns.example.com]\n",
        "zone: 10.1.2.0/24\nns: [other.example.com]\n",
        "zone: 10.2.0.0/16\n",
        f"zone: 10.0.0.0/8\ndelegate:\n  10.20.0.0/16: {NS}\n",
        "zone: 10.20.5.0/24\nns: [ns.example.com]\n",  # the delegation stands between
    )
    assert [(format_name(cut.owner), format_name(cut.apex)) for cut in built.zones.parent_sides] == [
        ("1.10.in-addr.arpa.", "10.in-addr.arpa."),
        ("2.1.10.in-addr.arpa.", "1.10.in-addr.arpa."),
    ]
    assert [cut.ns.rdatas for cut in built.zones.parent_sides] == [
        (pack_name("ns.example.com"),),
        (pack_name("other.example.com"),),
    ]
    assert all(cut.place is None for cut in built.zones.parent_sides)


def test_delegations_of_a_map_that_is_switched_off_are_none(build):
    assert owners(build(f"zone: 10.0.0.0/8\nserve: false\ndelegate:\n  10.20.0.0/16: {NS}\n")) == []


def test_five_thousand_delegations_take_no_time(build):
    lines = "".join(f"  10.{n >> 8}.{n & 255}.0/24: [ns.example.com]\n" for n in range(5000))
    built = build(f"zone: 10.0.0.0/8\ndelegate:\n{lines}")
    assert (built.said, len(built.zones.cuts)) == ([], 5000)
