"""BIND's lines, as named-checkconf and a running BIND take them (tests/peers/test_integrate.py)."""

from ipaddress import ip_address

from plans import whole_plan

from blackhole_guard.integrations.bind import render
from blackhole_guard.integrations.plan import Server

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
