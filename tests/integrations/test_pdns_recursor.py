"""PowerDNS Recursor's lines, as a running one takes them (tests/peers/test_integrate.py)."""

from ipaddress import ip_address

from plans import whole_plan

from blackhole_guard.integrations.pdns_recursor import render
from blackhole_guard.integrations.plan import Server

LINES = {
    "/etc/powerdns/blackhole-guard.zones": """\
10.in-addr.arpa=127.0.0.1:5300
20.10.in-addr.arpa=10.20.0.10;fd12::10
1.20.10.in-addr.arpa=127.0.0.1:5300
64/26.3.1.10.in-addr.arpa=10.1.3.66
6.5.4.3.2.1.d.f.ip6.arpa=127.0.0.1:5300
home.arpa=127.0.0.1:5300
service.arpa=127.0.0.1:5300
""",
    "/etc/powerdns/recursor.d/blackhole-guard.conf": """\
forward-zones-file=/etc/powerdns/blackhole-guard.zones
""",
    "/etc/powerdns/recursor.lua": """\
addNTA("10.in-addr.arpa.", "served by blackhole_guard")
addNTA("6.5.4.3.2.1.d.f.ip6.arpa.", "served by blackhole_guard")
addNTA("home.arpa.", "served by blackhole_guard")
addNTA("service.arpa.", "served by blackhole_guard")
""",
}


def test_each_route_has_its_lines():
    configuration = render(whole_plan())
    assert configuration.program == "PowerDNS Recursor"
    assert {piece.file: piece.text for piece in configuration.pieces} == LINES


def test_what_does_not_work_is_said():
    assert [note.what for note in render(whole_plan()).notes] == [
        "10.30.0.0/16 is delegated to a.example.com, b.example.com without an address: look-ups there fail",
    ]


def test_several_servers_and_ports():
    text = render(whole_plan(Server(ip_address("10.0.0.53")), Server(ip_address("::1"), 5300))).pieces[0].text
    assert text.startswith("10.in-addr.arpa=10.0.0.53;[::1]:5300\n")
