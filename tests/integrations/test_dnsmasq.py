"""dnsmasq's lines, as `dnsmasq --test` and a running dnsmasq take them (tests/peers/test_integrate.py)."""

from ipaddress import ip_address

from plans import whole_plan

from blackhole_guard.integrations.dnsmasq import render
from blackhole_guard.integrations.plan import Server

LINES = {
    "/etc/dnsmasq.d/blackhole-guard.conf": """\
rev-server=10.0.0.0/8,127.0.0.1#5300
rev-server=10.20.0.0/16,10.20.0.10
rev-server=10.20.0.0/16,fd12::10
rev-server=10.20.1.0/24,127.0.0.1#5300
rev-server=fd12:3456::/32,127.0.0.1#5300
server=/home.arpa/127.0.0.1#5300
server=/service.arpa/127.0.0.1#5300
""",
}


def test_each_route_has_its_lines():
    configuration = render(whole_plan())
    assert configuration.program == "dnsmasq"
    assert {piece.file: piece.text for piece in configuration.pieces} == LINES


def test_what_does_not_work_is_said():
    assert [note.what for note in render(whole_plan()).notes] == [
        "10.30.0.0/16 is delegated to a.example.com, b.example.com without an address: look-ups there fail",
        "10.1.3.64/26: dnsmasq does not follow the CNAMEs to it: its clients get the CNAME alone",
        "without `dnssec`, DS look-ups for home.arpa and service.arpa come to us instead of to the parent, arpa",
    ]


def test_several_servers_and_ports():
    text = render(whole_plan(Server(ip_address("10.0.0.53")), Server(ip_address("::1"), 5300))).pieces[0].text
    assert text.startswith("rev-server=10.0.0.0/8,10.0.0.53\nrev-server=10.0.0.0/8,::1#5300\n")
