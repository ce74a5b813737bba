"""BIND's lines, as named-checkconf and a running BIND take them (tests/peers/test_integrate.py)."""

import re
from ipaddress import ip_address

import pytest
from plans import HERE, Served, served, whole_plan

from blackhole_guard.integrations.bind import render
from blackhole_guard.integrations.plan import Server, make_plan
from blackhole_guard.wire.names import pack_name

BROADCAST = pack_name("255.255.255.255.in-addr.arpa")

LINES = {
    "/etc/bind/named.conf.options": """\
options {
    validate-except {
        "10.in-addr.arpa";
        "6.5.4.3.2.1.d.f.ip6.arpa";
        "home.arpa";
        "service.arpa";
    };
};
""",
    "/etc/bind/named.conf.local": """\
zone "10.in-addr.arpa" { type forward; forward only; forwarders { 127.0.0.1 port 5300; }; };
zone "20.10.in-addr.arpa" { type static-stub; server-addresses { 10.20.0.10; fd12::10; }; forwarders { }; };
zone "1.20.10.in-addr.arpa" { type forward; forward only; forwarders { 127.0.0.1 port 5300; }; };
zone "30.10.in-addr.arpa" { type static-stub; server-names { "a.example.com"; "b.example.com"; }; forwarders { }; };
zone "64/26.3.1.10.in-addr.arpa" { type static-stub; server-addresses { 10.1.3.66; }; forwarders { }; };
zone "6.5.4.3.2.1.d.f.ip6.arpa" { type forward; forward only; forwarders { 127.0.0.1 port 5300; }; };
zone "home.arpa" { type forward; forward only; forwarders { 127.0.0.1 port 5300; }; };
zone "service.arpa" { type forward; forward only; forwarders { 127.0.0.1 port 5300; }; };
""",
}


def test_each_route_has_its_lines():
    configuration = render(whole_plan())
    assert configuration.program == "BIND"
    assert {piece.file: piece.text for piece in configuration.pieces} == LINES


def test_what_does_not_work_is_said():
    assert [note.what for note in render(whole_plan()).notes] == [
        "10.30.0.0/16 is delegated to a.example.com, b.example.com without an address: BIND must look it up",
    ]


def test_several_servers_and_ports():
    plan = whole_plan(Server(ip_address("127.0.0.1"), 5300), Server(ip_address("::1")))
    assert "forward only; forwarders { 127.0.0.1 port 5300; ::1; };" in render(plan).pieces[1].text


def test_what_debian_has_primary_zones_for_is_left_to_those():
    zones = [*map(served, ("10.0.0.0/8", "127.0.0.0/8", "0.0.0.0/8")), Served(BROADCAST, "255.255.255.255/32")]
    found = render(make_plan(zones, [], [HERE]))
    assert re.findall(r'"(.*?)"', "".join(piece.text for piece in found.pieces)) == ["10.in-addr.arpa"] * 2
    assert [route.label for route in found.left_out] == ["0.0.0.0/8", "127.0.0.0/8", "255.255.255.255/32"]
    assert [note.what for note in found.notes] == [
        "0.in-addr.arpa, 127.in-addr.arpa, 255.255.255.255.in-addr.arpa: not among these lines, because Debian's "
        "/etc/bind/named.conf.default-zones has primary zones for them",
    ]


@pytest.mark.parametrize("mapped", ["127.0.0.0/8", "127.1.2.0/24"])
@pytest.mark.parametrize("whole", [True, False])
def test_where_a_map_says_something_of_it_debians_zones_must_go(mapped, whole):
    zones = [served("10.0.0.0/8"), served(mapped, mapped=True)]
    if whole and mapped != "127.0.0.0/8":
        zones.append(served("127.0.0.0/8"))
    found = render(make_plan(zones, [], [HERE]))
    assert found.left_out == ()
    assert len(re.findall(r'^zone ".*127\.in-addr\.arpa"', found.pieces[1].text, re.MULTILINE)) == 1
    assert [(note.what, note.hint) for note in found.notes] == [
        (
            "Debian's /etc/bind/named.conf.default-zones has 127.in-addr.arpa, too: named does not start, "
            "or answers by itself",
            "delete there what has these names",
        )
    ]
