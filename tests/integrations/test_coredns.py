"""CoreDNS's server blocks, by its documentation: there is no package of it to try them with."""

from ipaddress import ip_address

from plans import whole_plan

from blackhole_guard.integrations.coredns import render
from blackhole_guard.integrations.plan import Server

LINES = {
    "Corefile": """\
10.in-addr.arpa 1.20.10.in-addr.arpa 6.5.4.3.2.1.d.f.ip6.arpa home.arpa service.arpa {
    forward . 127.0.0.1:5300
}

20.10.in-addr.arpa {
    forward . 10.20.0.10:53 [fd12::10]:53
}
""",
}


def test_each_route_has_its_lines():
    configuration = render(whole_plan())
    assert configuration.program == "CoreDNS"
    assert {piece.file: piece.text for piece in configuration.pieces} == LINES


def test_what_does_not_work_is_said():
    assert [note.what for note in render(whole_plan()).notes] == [
        "written by CoreDNS's documentation, not tried: Debian has no package of it",
        "10.30.0.0/16 is delegated to a.example.com, b.example.com without an address: look-ups there fail",
        "10.1.3.64/26: CoreDNS does not follow the CNAMEs to it: its clients get the CNAME alone",
        "DS look-ups for home.arpa and service.arpa come to us instead of to the parent, arpa",
    ]


def test_several_servers_and_ports():
    text = render(whole_plan(Server(ip_address("10.0.0.53")), Server(ip_address("::1"), 5300))).pieces[0].text
    assert "    forward . 10.0.0.53:53 [::1]:5300\n" in text
