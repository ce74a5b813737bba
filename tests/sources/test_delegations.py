"""`delegate:`, in its three forms, and what each mistake is told."""

from ipaddress import ip_address

import pytest

from blackhole_guard.wire.names import format_name


def read(load, entry, zone="10.0.0.0/8"):
    loaded = load(f"zone: {zone}\ndelegate:\n  {entry}\n")
    delegations = loaded.sources.maps[0].delegations
    shown = [
        (
            str(delegation.block),
            {
                format_name(name): [str(ip_address(each)) for each in found]
                for name, found in delegation.servers.items()
            },
            str(delegation.place),
        )
        for delegation in delegations
    ]
    return loaded, shown


@pytest.mark.parametrize(
    ("zone", "entry", "block", "servers"),
    [
        (
            "10.0.0.0/8",
            "10.20.0.0/16: {ad1.example.com: 10.20.0.10}",
            "10.20.0.0/16",
            {"ad1.example.com.": ["10.20.0.10"]},
        ),
        (
            "10.0.0.0/8",
            "10.20.0.0/16: {AD1.Example.com.: [10.20.0.10, fd00::10]}",
            "10.20.0.0/16",
            {"ad1.example.com.": ["10.20.0.10", "fd00::10"]},
        ),
        (
            "10.0.0.0/8",
            "10.20.0.0/16: [a.example.com, b.example.com]",
            "10.20.0.0/16",
            {"a.example.com.": [], "b.example.com.": []},
        ),
        ("10.0.0.0/8", "10.20.0.0/16: a.example.com", "10.20.0.0/16", {"a.example.com.": []}),
        (
            "10.0.0.0/8",
            "10.20.0.0/16: {a.example.com: , b.example.com: 10.0.0.1}",
            "10.20.0.0/16",
            {"a.example.com.": [], "b.example.com.": ["10.0.0.1"]},
        ),
        ("10.0.0.0/8", "10.1.2.64/26: a.example.com", "10.1.2.64/26", {"a.example.com.": []}),
        ("10.0.0.0/8", "10.20.0.0/14: a.example.com", "10.20.0.0/14", {"a.example.com.": []}),
        ("10.0.0.0/8", "10.1.2.3/32: a.example.com", "10.1.2.3/32", {"a.example.com.": []}),
        (
            "fd00::/8",
            "FD12:3456::/48: {a.example.com: fd12:3456::1}",
            "fd12:3456::/48",
            {"a.example.com.": ["fd12:3456::1"]},
        ),
    ],
)
def test_a_delegation(load, zone, entry, block, servers):
    loaded, shown = read(load, entry, zone)
    assert loaded.said == []
    assert shown == [(block, servers, "map.yaml:3")]


ERRORS = [
    ("10.20.0.0/16:", "a delegation without name servers; write `{ns1.example.com: 10.20.0.10}`"),
    ("10.20.0.0/16: []", "a delegation without name servers"),
    ("10.20.0.0/16: {}", "a delegation without name servers"),
    (
        "10.20.0.0/16: 10.20.0.10",
        "a name server: `10.20.0.10` is an address, not a name; write `{ns1.example.com: 10.20.0.10}`",
    ),
    ("10.20.0.0/16: [[a.example.com]]", "a name server is a list, not a name"),
    ("10.20.0.0/16: {a..b: 10.0.0.1}", "a name server: `a..b` has an empty label"),
    ("10.20.0.0/16: {a.example.com: ns1}", "a name server's address: `ns1` is no address"),
    ("10.20.0.0/16: {a.example.com: 10.0.0.300}", "a name server's address: `10.0.0.300` has an octet above 255"),
    ("10.20.0.0/16: {a.example.com: [10.0.0.1, 10.0.0.1]}", "a name server's address: 10.0.0.1 stands twice"),
    ("10.20.0.0/16: {a.example.com: {b: c}}", "a name server's address: is a mapping"),
    ("10.20.0.0/16: [a.example.com, A.example.com]", "`A.example.com` stands twice in one delegation"),
    ("10.0.0.0/8: a.example.com", "10.0.0.0/8 is the whole of this map: nothing would be left of the zone"),
    (
        "192.168.0.0/16: a.example.com",
        "192.168.0.0/16 lies outside 10.0.0.0/8; delegate it in the map of a block that holds it",
    ),
    ("0.0.0.0/1: a.example.com", "0.0.0.0/1 lies outside 10.0.0.0/8"),
    ("fd00::/16: a.example.com", "fd00::/16 lies outside 10.0.0.0/8"),
    ("10.20.0.0: a.example.com", "`10.20.0.0` has no prefix length"),
    ("10.20.0.1/16: a.example.com", "`10.20.0.1/16` has bits set behind its prefix; write `10.20.0.0/16`"),
    ("[10.20.0.0/16]: a.example.com", "a key that is a list or a mapping"),
]


@pytest.mark.parametrize(("entry", "said"), ERRORS, ids=[entry for entry, _ in ERRORS])
def test_a_mistake_is_told_once_at_its_line(load, entry, said):
    loaded, shown = read(load, entry)
    assert len(loaded.said) == 1
    assert loaded.said[0].startswith("map.yaml:3: ") and said in loaded.said[0]
    assert loaded.problems[0].hint
    assert shown == []


def test_a_block_is_delegated_once(load):
    text = "zone: fd00::/8\ndelegate:\n  fd12::/16: a.example.com\n  FD12::/16: b.example.com\n"
    assert load(text).said == ["map.yaml:4: fd12::/16 is delegated twice, first on line 3; delete one of the two"]


def test_all_of_a_block_that_is_a_part_of_a_zone_may_be_delegated(load):
    _, shown = read(load, "10.1.2.64/26: a.example.com", zone="10.1.2.64/26")
    assert shown == [("10.1.2.64/26", {"a.example.com.": []}, "map.yaml:3")]


def test_both_mistakes_of_one_delegation_are_told(load):
    loaded = load("zone: 10.0.0.0/8\ndelegate:\n  11.0.0.0/16:\n    a.example.com: ten\n")
    assert [problem.place.line for problem in loaded.problems] == [3, 4]


@pytest.mark.parametrize("value", ["[10.20.0.0/16]", "10.20.0.0/16"])
def test_delegate_is_a_mapping(load, value):
    (said,) = load(f"zone: 10.0.0.0/8\ndelegate: {value}\n").said
    assert said.startswith("map.yaml:2: `delegate` is ") and "not a mapping" in said


def test_name_servers_are_counted(load):
    names = ", ".join(f"ns{number}.example.com" for number in range(101))
    loaded, shown = read(load, f"10.20.0.0/16: [{names}]")
    assert loaded.said == ["map.yaml:3: 101 name servers, and 100 are the most; two to four are usual"]
    assert shown == []


def test_a_doubtful_name_server_is_a_warning(load):
    loaded, shown = read(load, "10.20.0.0/16: my_ns.example.com")
    (problem,) = loaded.problems
    assert problem.severity == "warning" and "underscore" in problem.what
    assert len(shown) == 1
