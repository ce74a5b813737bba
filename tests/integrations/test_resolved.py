"""systemd-resolved's links and drop-ins, as networkd and resolved take them (tests/peers/test_integrate.py)."""

from ipaddress import ip_address

from plans import HERE, served, whole_plan

from blackhole_guard.integrations.plan import Server, make_plan
from blackhole_guard.integrations.resolved import render

LINES = {
    "/etc/systemd/network/blackhole-guard.netdev": """\
[NetDev]
Name=bhguard0
Kind=dummy
""",
    "/etc/systemd/network/blackhole-guard.network": """\
[Match]
Name=bhguard0

[Network]
Address=192.0.2.53/32
LinkLocalAddressing=no
IPv6AcceptRA=no
LLMNR=no
MulticastDNS=no
DNSDefaultRoute=no
DNS=127.0.0.1:5300
Domains=~10.in-addr.arpa
DNSSECNegativeTrustAnchors=10.in-addr.arpa
Domains=~1.20.10.in-addr.arpa
DNSSECNegativeTrustAnchors=1.20.10.in-addr.arpa
Domains=~6.5.4.3.2.1.d.f.ip6.arpa
DNSSECNegativeTrustAnchors=6.5.4.3.2.1.d.f.ip6.arpa
Domains=~home.arpa
DNSSECNegativeTrustAnchors=home.arpa
Domains=~service.arpa
DNSSECNegativeTrustAnchors=service.arpa
""",
    "/etc/systemd/network/LINK.network.d/blackhole-guard.conf": """\
[Network]
DNS=10.20.0.10 fd12::10
Domains=~20.10.in-addr.arpa
DNSSECNegativeTrustAnchors=20.10.in-addr.arpa
""",
}


def test_each_route_has_its_lines():
    configuration = render(whole_plan())
    assert configuration.program == "systemd-resolved"
    assert {piece.file: piece.text for piece in configuration.pieces} == LINES


def test_what_does_not_work_is_said():
    assert [note.what for note in render(whole_plan()).notes] == [
        "10.30.0.0/16 is delegated to a.example.com, b.example.com without an address: look-ups there fail",
        "10.1.3.64/26: systemd-resolved does not find what the CNAMEs to it lead to: its clients get REFUSED",
        "10.20.0.0/16: all name servers of a link are equal to systemd-resolved, and ours refuse this",
    ]


def test_several_servers_and_ports():
    text = render(whole_plan(Server(ip_address("127.0.0.1"), 5300), Server(ip_address("::1")))).pieces[1].text
    assert "DNS=127.0.0.1:5300 ::1\n" in text


def test_more_domains_than_it_takes_are_said():
    some = make_plan([served(f"10.{octet}.0.0/16") for octet in range(256)], [], [HERE])
    more = make_plan([*(served(f"10.{octet}.0.0/16") for octet in range(256)), served("home.arpa")], [], [HERE])
    assert render(some).notes == ()
    assert "257 names, and systemd-resolved takes 256" in render(more).notes[0].what


def test_on_another_machine_it_is_a_drop_in():
    configuration = render(whole_plan(Server(ip_address("10.0.0.53"))))
    drop_in, negative, link = configuration.pieces
    assert drop_in.file == "/etc/systemd/resolved.conf.d/blackhole-guard.conf"
    assert drop_in.text.startswith("[Resolve]\nDNS=10.0.0.53\nDomains=~10.in-addr.arpa\n")
    assert negative.text.splitlines()[0] == "10.in-addr.arpa"
    assert link.text == LINES["/etc/systemd/network/LINK.network.d/blackhole-guard.conf"]
    assert "only where all other name servers belong to links" in configuration.notes[0].what
