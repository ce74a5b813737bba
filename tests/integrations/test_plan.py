"""The plan: each name leads where the zones and delegations say, and no line is too many."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import HERE, Served, delegated, served, whole_plan

from blackhole_guard.integrations.plan import (
    IntegrationError,
    Server,
    hidden_by,
    insecurely_delegated,
    make_plan,
)
from blackhole_guard.reserved.addresses import apexes, reverse_name
from blackhole_guard.reserved.registry import ZONES
from blackhole_guard.wire.names import format_name, suffixes


def test_the_fewest_names_that_say_so():
    assert [(route.text, route.ours) for route in whole_plan().routes] == [
        ("10.in-addr.arpa", True),  # 10.1.2.0/24 is ours, too, and lies in it
        ("20.10.in-addr.arpa", False),
        ("1.20.10.in-addr.arpa", True),  # ours inside a delegation
        ("30.10.in-addr.arpa", False),
        ("64/26.3.1.10.in-addr.arpa", False),
        ("6.5.4.3.2.1.d.f.ip6.arpa", True),
        ("home.arpa", True),
        ("service.arpa", True),
    ]


def test_what_is_known_of_each():
    plan = whole_plan()
    assert plan.servers == (HERE,)
    assert [route.text for route in plan.tops] == [
        *("10.in-addr.arpa", "6.5.4.3.2.1.d.f.ip6.arpa", "home.arpa", "service.arpa"),
    ]
    assert [route.label for route in plan.lost] == ["10.30.0.0/16"]
    assert [route.hosts for route in plan.lost] == [("a.example.com", "b.example.com")]
    assert [route.label for route in plan.delegated] == ["10.20.0.0/16", "10.30.0.0/16", "10.1.3.64/26"]
    first = plan.delegated[0]
    assert first.servers == (Server(ip_address("10.20.0.10")), Server(ip_address("fd12::10")))
    assert [route.is_classless for route in plan.delegated] == [False, False, True]
    assert [str(server) for server in first.servers] == ["10.20.0.10:53", "[fd12::10]:53"]


def test_the_deepest_come_first_for_who_takes_the_first_that_fits():
    names = [route.text for route in whole_plan().deepest_first()]
    assert names.index("1.20.10.in-addr.arpa") < names.index("20.10.in-addr.arpa") < names.index("10.in-addr.arpa")
    assert "30.10.in-addr.arpa" not in names  # nobody knows an address


def test_a_zone_that_is_delegated_as_a_whole_is_not_ours():
    plan = make_plan([served("172.20.0.0/16")], [delegated("172.20.0.0/16", {"ns.example.com": ["10.0.0.1"]})], [HERE])
    assert [(route.text, route.ours) for route in plan.routes] == [("20.172.in-addr.arpa", False)]


def test_blocks_that_lie_in_built_in_zones_of_resolvers():
    hidden = {route.text: hidden_by(route) for route in whole_plan().ours}
    assert hidden == {
        "10.in-addr.arpa": None,
        "1.20.10.in-addr.arpa": "10.in-addr.arpa",
        "6.5.4.3.2.1.d.f.ip6.arpa": "d.f.ip6.arpa",
        "home.arpa": None,
        "service.arpa": None,
    }


def test_ds_is_the_parents_where_the_public_dns_delegates():
    found = [route.text for route in insecurely_delegated(whole_plan().routes)]
    assert found == ["10.in-addr.arpa", "home.arpa", "service.arpa"]


@pytest.mark.parametrize(("zones", "servers"), [([], [HERE]), ([served("10.0.0.0/8")], [])])
def test_nothing_to_say_is_an_error_with_a_hint(zones, servers):
    with pytest.raises(IntegrationError) as caught:
        make_plan(zones, [], servers)
    assert caught.value.what and caught.value.hint


octets = st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=4)
blocks = octets.map(lambda found: f"{'.'.join(map(str, [*found, 0, 0, 0][:4]))}/{8 * len(found)}")


@given(st.sets(blocks, min_size=1, max_size=12), st.sets(blocks, max_size=6), st.lists(octets, min_size=1, max_size=20))
def test_each_name_leads_where_the_nearest_zone_or_delegation_says(zones, cuts, asked):
    addresses = {cut: f"192.0.2.{number % 2}" for number, cut in enumerate(sorted(cuts))}
    plan = make_plan(
        map(served, zones),
        [delegated(cut, {"ns.example.com": [address]}) for cut, address in addresses.items()],
        [HERE],
    )
    routes = {route.name: route for route in plan.routes}
    assert len(routes) == len(plan.routes)
    for each in asked:
        name = apexes(ip_network(f"{'.'.join(map(str, [*each, 0, 0, 0][:4]))}/{8 * len(each)}"))[0]
        covering = [routes[suffix] for suffix in suffixes(name) if suffix in routes]
        found = [str(server.address) for server in covering[0].servers] if covering else []
        assert found == expected(name, zones, addresses)
    for name, route in routes.items():
        around = [routes[suffix] for suffix in suffixes(name) if suffix in routes and suffix != name]
        assert not around or around[0].target != route.target  # no line is too many


def expected(name: bytes, zones: set[str], cuts: dict[str, str]) -> list[str]:
    for suffix in suffixes(name):
        for cut, address in cuts.items():
            if apexes(ip_network(cut))[0] == suffix:
                return [address]
        if any(apexes(ip_network(zone))[0] == suffix for zone in zones):
            return ["127.0.0.1"]
    return []


@given(st.ip_addresses())
def test_with_all_of_the_registry_exactly_the_reserved_space_is_ours(address):
    plan = make_plan([Served(zone.apex, format_name(zone.apex)) for zone in ZONES], [], [HERE])
    name = reverse_name(address.packed)
    ours = sum(route.name in suffixes(name) for route in plan.routes)
    assert ours == any(zone.network is not None and address in zone.network for zone in ZONES)


def test_a_name_is_wanted_if_a_map_says_something_of_it_or_of_what_it_brings_along():
    zones = [served("10.0.0.0/8"), served("10.1.2.0/24", mapped=True), served("127.0.0.0/8"), served("home.arpa")]
    zones += [served("172.20.0.0/16", mapped=True)]
    cuts = [delegated("127.1.0.0/16", {"ns.example.com": ["10.0.0.1"]})]
    assert {route.text: route.is_wanted for route in make_plan(zones, cuts, [HERE]).routes} == {
        "10.in-addr.arpa": True,
        "127.in-addr.arpa": False,
        "1.127.in-addr.arpa": True,
        "20.172.in-addr.arpa": True,
        "home.arpa": False,
    }
