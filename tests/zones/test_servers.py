import pytest

from blackhole_guard.wire.names import format_name


@pytest.mark.parametrize(
    ("servers", "said"),
    [
        ("[ns.example.com]", []),
        ("{ns.20.10.in-addr.arpa: 10.20.0.1}", []),
        (
            "[ns.20.10.in-addr.arpa]",
            ["the name server `ns.20.10.in-addr.arpa.` lies below the delegation itself, and has no address"],
        ),
        ("{ns.10.in-addr.arpa: 10.0.0.1}", []),
        (
            "[ns.10.in-addr.arpa]",
            ["the name server `ns.10.in-addr.arpa.` lies in our zone 10.0.0.0/8, and has no address"],
        ),
        ("[ns.30.10.in-addr.arpa]", []),  # below another delegation, where it may be found
        ("{5.0.0.10.in-addr.arpa: 10.0.0.1}", ["the name server `5.0.0.10.in-addr.arpa.` is the name of an address"]),
        ("[ns.home.arpa]", ["the name server `ns.home.arpa.` lies in our zone home.arpa, and has no address"]),
        ("{ns.home.arpa: 10.0.0.1}", []),
    ],
)
def test_a_name_server_that_nobody_can_find_is_an_error(build, servers, said):
    built = build(f"zone: 10.0.0.0/8\ndelegate:\n  10.20.0.0/16: {servers}\n  10.30.0.0/16: [ns.example.com]\n")
    assert built.said == [f"a.yaml:3: {each}" for each in said]


def test_it_is_told_once_for_a_delegation_of_many_cuts(build):
    assert len(build("zone: 10.0.0.0/8\ndelegate:\n  10.64.0.0/10: [ns.10.in-addr.arpa]\n").said) == 1


def test_addresses_of_name_servers_in_our_zones_are_answers(build):
    built = build(
        "zone: 10.0.0.0/8\nttl: 9\ndelegate:\n"
        "  10.20.0.0/16: {ns.10.in-addr.arpa: 10.0.0.1, ns.20.10.in-addr.arpa: 10.20.0.1, ns.example.com: 192.0.2.1}\n"
        '  10.30.0.0/16: {ns.10.in-addr.arpa: [10.0.0.1, "fd00::1"]}\n'
    )
    assert built.said == []
    assert [(format_name(each.owner), each.rtype, each.ttl, each.rdatas) for each in built.zones.hosts] == [
        ("ns.10.in-addr.arpa.", 1, 9, (bytes((10, 0, 0, 1)),)),
        ("ns.10.in-addr.arpa.", 28, 9, (b"\xfd" + bytes(14) + b"\x01",)),
    ]


@pytest.mark.parametrize(
    ("ns", "said"),
    [
        ("ns.example.com", []),
        ("10.in-addr.arpa", []),
        (
            "ns.10.in-addr.arpa",
            [
                "warning: a.yaml:1: the name server `ns.10.in-addr.arpa.` lies in our zone 10.0.0.0/8, "
                "and has no address"
            ],
        ),
        ("ns.20.10.in-addr.arpa", []),
        ("known.10.in-addr.arpa", []),
    ],
)
def test_a_zone_whose_name_server_has_no_address_is_a_warning(build, ns, said):
    built = build(
        f"zone: 10.0.0.0/8\nns: [{ns}]\ndelegate:\n  10.20.0.0/16: [ns.example.com]\n"
        "  10.21.0.0/16: {known.10.in-addr.arpa: 10.0.0.1}\n"
    )
    assert built.said == said
