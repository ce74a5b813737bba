"""Unbound's lines, as unbound-checkconf and a running Unbound take them (tests/peers/test_integrate.py)."""

from ipaddress import ip_address

from plans import whole_plan

from blackhole_guard.integrations.plan import Server
from blackhole_guard.integrations.unbound import render

LINES = {
    "/etc/unbound/unbound.conf.d/blackhole-guard.conf": """\
server:
    do-not-query-localhost: no
    local-zone: "10.in-addr.arpa." nodefault
    domain-insecure: "10.in-addr.arpa."
    local-zone: "6.5.4.3.2.1.d.f.ip6.arpa." transparent
    domain-insecure: "6.5.4.3.2.1.d.f.ip6.arpa."
    local-zone: "home.arpa." nodefault
    domain-insecure: "home.arpa."
    local-zone: "service.arpa." nodefault
    domain-insecure: "service.arpa."
stub-zone:
    name: "10.in-addr.arpa."
    stub-addr: 127.0.0.1@5300
stub-zone:
    name: "20.10.in-addr.arpa."
    stub-addr: 10.20.0.10
    stub-addr: fd12::10
stub-zone:
    name: "1.20.10.in-addr.arpa."
    stub-addr: 127.0.0.1@5300
stub-zone:
    name: "30.10.in-addr.arpa."
    stub-host: a.example.com.
    stub-host: b.example.com.
stub-zone:
    name: "64/26.3.1.10.in-addr.arpa."
    stub-addr: 10.1.3.66
stub-zone:
    name: "6.5.4.3.2.1.d.f.ip6.arpa."
    stub-addr: 127.0.0.1@5300
stub-zone:
    name: "home.arpa."
    stub-addr: 127.0.0.1@5300
stub-zone:
    name: "service.arpa."
    stub-addr: 127.0.0.1@5300
""",
}


def test_each_route_has_its_lines():
    configuration = render(whole_plan())
    assert configuration.program == "Unbound"
    assert {piece.file: piece.text for piece in configuration.pieces} == LINES


def test_what_does_not_work_is_said():
    assert [note.what for note in render(whole_plan()).notes] == [
        "10.30.0.0/16 is delegated to a.example.com, b.example.com without an address: Unbound must look it up",
    ]


def test_several_servers_and_ports():
    text = render(whole_plan(Server(ip_address("10.0.0.53"), 5300), Server(ip_address("fd00::53")))).pieces[0].text
    assert 'name: "10.in-addr.arpa."\n    stub-addr: 10.0.0.53@5300\n    stub-addr: fd00::53\n' in text
    assert "do-not-query-localhost" not in text  # nobody is asked there
