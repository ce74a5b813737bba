import pytest

from blackhole_guard.wire.names import pack_name


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("ns: [a.example]", "ns: [A.example.]", []),
        ("ns: [a.example, b.example]", "ns: [b.example, a.example]", []),
        ("ns: [a.example]", "ttl: 5", []),
        ("ns: [a.example]", "ns: [b.example]", ["`ns` of 10.0.0.0/8 is b.example here and a.example at a.yaml:2"]),
        ("ttl: 1h", "ttl: 3600", []),
        ("ttl: 1h", "ttl: 0", ["`ttl` of 10.0.0.0/8 is 0 here and 3600 at a.yaml:2"]),
        ("soa: {mname: a.example}", "soa: {rname: b.example}", []),
        ("soa: {mname: a.example}", "soa: {mname: A.Example}", []),
        (
            "soa: {mname: a.example, serial: 1}",
            "soa: {mname: b.example, serial: 2}",
            [
                "`soa.mname` of 10.0.0.0/8 is b.example. here and a.example. at a.yaml:2",
                "`soa.serial` of 10.0.0.0/8 is 2 here and 1 at a.yaml:2",
            ],
        ),
        ("serve: false", "serve: true", ["`serve` of 10.0.0.0/8 is true here and false at a.yaml:2"]),
        ("serve: false", "serve: off", []),
    ],
)
def test_maps_of_one_zone_add_up_or_contradict_each_other(build, first, second, said):
    built = build(f"zone: 10.0.0.0/8\n{first}\n", f"zone: 10.0.0.0/8\n{second}\n")
    assert built.said == [f"b.yaml:2: {each}" for each in said]


def test_a_contradiction_about_a_block_of_many_zones_is_told_once(build):
    assert len(build("zone: 100.64.0.0/10\nttl: 1\n", "zone: 100.64.0.0/10\nttl: 2\n").said) == 1


def test_what_one_map_leaves_out_another_says(build):
    zone = build("zone: 10.0.0.0/8\nns: [a.example]\n", "zone: 10.0.0.0/8\nttl: 5\n").zone("10.in-addr.arpa")
    assert (zone.ns.rdatas, zone.ttl, str(zone.place)) == ((pack_name("a.example"),), 5, "a.yaml:1")


def test_entries_that_another_file_switches_off_are_told(build):
    built = build("zone: 10.0.0.0/8\nptr: {10.0.0.1: a.example.com}\n", "zone: 10.0.0.0/8\nserve: false\n")
    assert built.said == ["warning: a.yaml:1: 1 entries of 10.0.0.0/8 are not served: b.yaml:2 switches it off"]
    assert built.zones.find_ptr(bytes((10, 0, 0, 1))) is None


def test_who_switches_off_his_own_entries_means_it(build):
    built = build("zone: 10.0.0.0/8\nserve: false\nptr: {10.0.0.1: a.example.com}\n")
    assert (built.said, built.zones.find_ptr(bytes((10, 0, 0, 1)))) == ([], None)
