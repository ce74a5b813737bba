"""Ours beside a recursive resolver, with the stanzas of docs/neighbours.md: nothing of 10.0.0.0/8 gets to AS112.

All live in one namespace: the resolver on RESOLVER, ours on 127.0.0.1:5300, a stand-in internet, and the server of a
delegated block. Each leak is shown without ours first: a stand-in that nobody could reach would count none.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import metrics_page
import namespaces
import pytest
from neighbour_stanzas import stanzas
from peer_processes import Peer
from peer_servers import bind, dnsmasq, guard, nsd, unbound
from stand_in_internet import (
    DELEGATED_ADDRESS,
    DELEGATED_NAME,
    PUBLIC_ADDRESS,
    PUBLIC_NAME,
    ROOT_HINTS,
    ROOT_SERVER,
    Internet,
    internet,
)

RESOLVER, UPSTREAM = "10.0.0.53", "10.0.0.54"

MAPS = {
    "ten.yaml": f"""
zone: 10.0.0.0/8
ptr: {{10.0.0.3: web.example.com}}
delegate: {{10.20.0.0/16: {{{DELEGATED_NAME}: {DELEGATED_ADDRESS}}}}}
""",
    "sub-block.yaml": "zone: 10.1.2.0/24\nptr: {3: printer.example.com}\n",
}
DELEGATED = f"""$TTL 3600
@ IN SOA {DELEGATED_NAME}. admin.example.com. 1 3600 1200 604800 10800
@ IN NS {DELEGATED_NAME}.
9.0 IN PTR member.corp.example.com.
"""
# What a client asks for, and what it must get: RCODE and PTRs.
MAPPED, UNMAPPED = ("10.0.0.3", "NOERROR", ["web.example.com."]), ("10.9.9.9", "NXDOMAIN", [])
HERS, NOT_HERS = ("10.20.0.9", "NOERROR", ["member.corp.example.com."]), ("10.20.0.8", "NXDOMAIN", [])

pytestmark = [
    pytest.mark.root,
    pytest.mark.peers("knotd", "nsd", "named", "unbound", "dnsmasq", *namespaces.PROGRAMS),
]


@pytest.fixture
def net() -> Iterator[Internet]:
    with internet(RESOLVER, UPSTREAM, DELEGATED_ADDRESS) as made:
        yield made


@pytest.fixture
def signed_net() -> Iterator[Internet]:
    with internet(RESOLVER, UPSTREAM, DELEGATED_ADDRESS, signed=True) as made:
        yield made


@contextmanager
def ours(net: Internet) -> Iterator[None]:
    """Ours where the stanzas say, and the server that has the delegated block."""
    with (
        guard(MAPS, host=net.host, port=5300),
        nsd({"20.10.in-addr.arpa.": DELEGATED}, host=net.host, address=DELEGATED_ADDRESS, port=53),
    ):
        yield


def look_up(resolver: Peer, address: str) -> tuple[str, str, list[str]]:
    reply = resolver.ask(dns.message.make_query(dns.reversename.from_address(address), "PTR"), seconds=20)
    found = [str(rdata) for rrset in reply.answer if rrset.rdtype == dns.rdatatype.PTR for rdata in rrset]
    return address, dns.rcode.to_text(reply.rcode()), found


def leaks_of(net: Internet, resolver: Peer, *addresses: str) -> set[str]:
    """Ask for the PTRs of these addresses, and say which names got to AS112."""
    net.leaks.clear()
    for address in addresses:
        look_up(resolver, address)
    return {leak.qname for leak in net.leaks if leak.qtype == "PTR"}


def check_all(net: Internet, resolver: Peer, *expected: tuple[str, str, list[str]]) -> None:
    """Each look-up gets what it must, nothing of it leaks, and the resolver still finds the rest of the internet."""
    net.leaks.clear()
    assert [look_up(resolver, address) for address, _, _ in expected] == list(expected)
    for qtype in ("TXT", "ANY", "SOA"):
        resolver.ask(dns.message.make_query("4.0.0.10.in-addr.arpa.", qtype), seconds=20)
    resolver.ask(dns.message.make_query("b._dns-sd._udp.0.0.0.10.in-addr.arpa.", "PTR"), seconds=20)
    assert net.leaks == []
    reply = resolver.ask(dns.message.make_query(f"{PUBLIC_NAME}.", "A"), seconds=20)
    assert [str(rdata) for rrset in reply.answer for rdata in rrset] == [PUBLIC_ADDRESS]


def leaking_upstream(net: Internet) -> str:
    """The configuration of an Unbound that recurses for private addresses, too."""
    hints = net.root.directory / "hints"
    hints.write_text(ROOT_HINTS)
    return f'server:\n  root-hints: {hints}\n  local-zone: "10.in-addr.arpa." nodefault\n'


def bind_hints(net: Internet) -> str:
    hints = net.root.directory / "hints"
    hints.write_text(ROOT_HINTS)
    return f'zone "." {{ type hint; file "{hints}"; }};\n'


def bind_anchor(net: Internet) -> str:
    flags, protocol, algorithm, key = net.trust_anchor().split(" ", 3)
    return f'trust-anchors {{ . static-key {flags} {protocol} {algorithm} "{key}"; }};\n'


class TestBind:
    def test_it_leaks_without_empty_zones(self, net):
        options = "empty-zones-enable no; dnssec-validation no;"
        with bind(bind_hints(net), options=options, host=net.host, address=RESOLVER, port=53) as resolver:
            assert leaks_of(net, resolver, "10.0.0.3") == {"3.0.0.10.in-addr.arpa."}

    def test_it_leaks_when_all_is_forwarded(self, net):
        options = f"dnssec-validation no; forward only; forwarders {{ {UPSTREAM}; }};"
        with (
            unbound(leaking_upstream(net), host=net.host, address=UPSTREAM, port=53),
            bind("", options=options, host=net.host, address=RESOLVER, port=53) as resolver,
        ):
            assert leaks_of(net, resolver, "10.0.0.3") == {"3.0.0.10.in-addr.arpa."}

    @pytest.mark.parametrize("more", ["", "empty-zones-enable no;"])
    def test_behind_forward_zones_nothing_leaks(self, net, more):
        stanza, delegated = stanzas("BIND")
        config = f"{stanza}\n{delegated}\n{bind_hints(net)}"
        options = f"dnssec-validation no; {more}"
        with ours(net), bind(config, options=options, host=net.host, address=RESOLVER, port=53) as resolver:
            check_all(net, resolver, MAPPED, UNMAPPED, HERS, NOT_HERS)

    def test_nor_when_it_validates(self, signed_net):
        stanza, delegated = stanzas("BIND")
        config = f"{stanza}\n{delegated}\n{bind_hints(signed_net)}{bind_anchor(signed_net)}"
        options = "dnssec-validation yes;"
        with (
            ours(signed_net),
            bind(config, options=options, host=signed_net.host, address=RESOLVER, port=53) as resolver,
        ):
            check_all(signed_net, resolver, MAPPED, UNMAPPED, HERS, NOT_HERS)
            reply = resolver.ask(dns.message.make_query(f"{PUBLIC_NAME}.", "A", want_dnssec=True))
            assert reply.flags & dns.flags.AD  # it does validate

    def test_nor_when_it_validates_with_no_way_to_the_internet(self, net):
        stanza, delegated = stanzas("BIND")
        config = f'{stanza}\n{delegated}\nzone "." {{ type hint; file "/dev/null"; }};'
        options = "dnssec-validation auto;"
        with ours(net), bind(config, options=options, host=net.host, address=RESOLVER, port=53) as resolver:
            expected = [MAPPED, UNMAPPED, HERS, NOT_HERS]
            assert [look_up(resolver, address) for address, _, _ in expected] == expected
            assert net.leaks == []

    def test_forward_first_is_the_trap_that_the_page_warns_of(self, net):
        config = stanzas("BIND")[0].replace("forward only", "forward first") + bind_hints(net)
        options = "dnssec-validation no;"
        with ours(net), bind(config, options=options, host=net.host, address=RESOLVER, port=53) as resolver:
            assert look_up(resolver, "10.0.0.3") == ("10.0.0.3", "NXDOMAIN", [])

    def test_a_delegated_block_without_a_forward_zone_of_its_own_fails(self, net):
        config = stanzas("BIND")[0] + bind_hints(net)
        options = "dnssec-validation no;"
        with ours(net), bind(config, options=options, host=net.host, address=RESOLVER, port=53) as resolver:
            assert look_up(resolver, "10.20.0.9") == ("10.20.0.9", "SERVFAIL", [])
            assert net.leaks == []


class TestUnbound:
    MINIMISING = "server:\n  qname-minimisation: yes\n  qname-minimisation-strict: yes\n"

    def test_it_leaks_without_its_built_in_zones(self, net):
        with unbound(leaking_upstream(net), host=net.host, address=RESOLVER, port=53) as resolver:
            assert leaks_of(net, resolver, "10.0.0.3") == {"3.0.0.10.in-addr.arpa."}

    def hints(self, net: Internet) -> str:
        return leaking_upstream(net).partition("  local-zone")[0]

    def test_behind_a_stub_zone_nothing_leaks(self, net):
        config = self.MINIMISING + self.hints(net) + stanzas("Unbound")[0]
        with ours(net), unbound(config, host=net.host, address=RESOLVER, port=53) as resolver:
            check_all(net, resolver, MAPPED, UNMAPPED, HERS, NOT_HERS)

    def test_nor_when_it_validates(self, signed_net):
        key = f". DNSKEY {signed_net.trust_anchor()}"
        anchor = f'server:\n  module-config: "validator iterator"\n  trust-anchor: "{key}"\n'
        config = self.MINIMISING + anchor + self.hints(signed_net) + stanzas("Unbound")[0]
        with ours(signed_net), unbound(config, host=signed_net.host, address=RESOLVER, port=53) as resolver:
            check_all(signed_net, resolver, MAPPED, UNMAPPED, HERS, NOT_HERS)
            reply = resolver.ask(dns.message.make_query(f"{PUBLIC_NAME}.", "A", want_dnssec=True))
            assert reply.flags & dns.flags.AD  # it does validate

    def test_what_is_counted_when_it_minimises(self, net):
        config = self.MINIMISING + self.hints(net) + stanzas("Unbound")[0]
        neighbour = ("10.0.0.9", "NXDOMAIN", [])
        with (
            guard(MAPS, host=net.host, port=5300, metrics=metrics_page.PORT),
            unbound(config, host=net.host, address=RESOLVER, port=53) as resolver,
        ):
            expected = [MAPPED, neighbour, UNMAPPED]
            assert [look_up(resolver, address) for address, _, _ in expected] == expected
            time.sleep(1)  # what is counted is to be seen within a second
            counted = metrics_page.averted(net.host)
            ended = metrics_page.searches_ended(net.host)
        # Unbound asks for A of the whole address before its PTR, and the NXDOMAIN of 9.10.in-addr.arpa ends the search.
        assert counted == {("host", "answered"): 1.0, ("other", "nodata"): 1.0, ("other", "nxdomain"): 1.0}
        assert ended == {"10.0.0.0/8": 1.0}

    # So that nobody tells Unbound where the delegated block's name server is, but ours.
    WITHOUT_ROOT = f"server:\n  do-not-query-address: {ROOT_SERVER}\n"

    def test_it_does_not_believe_the_addresses_in_our_referral(self, net):
        config = stanzas("Unbound")[0] + self.WITHOUT_ROOT
        with ours(net), unbound(config, host=net.host, address=RESOLVER, port=53) as resolver:
            assert look_up(resolver, "10.20.0.9") == ("10.20.0.9", "SERVFAIL", [])
        config += "server:\n  harden-glue: no\n"
        with ours(net), unbound(config, host=net.host, address=RESOLVER, port=53) as resolver:
            assert look_up(resolver, "10.20.0.9") == HERS

    def test_a_delegated_block_may_have_a_stub_zone_of_its_own(self, net):
        stub, _, delegated = stanzas("Unbound")
        config = stub.replace("127.0.0.1@5300", "127.0.0.1@9") + delegated + self.WITHOUT_ROOT
        with ours(net), unbound(config, host=net.host, address=RESOLVER, port=53) as resolver:
            assert [look_up(resolver, "10.20.0.9"), look_up(resolver, "10.20.0.8")] == [HERS, NOT_HERS]

    def test_a_sub_block_with_a_map_of_its_own_keeps_its_soa(self, net):
        config = self.MINIMISING + self.hints(net) + stanzas("Unbound")[1]
        with ours(net), unbound(config, host=net.host, address=RESOLVER, port=53) as resolver:
            check_all(net, resolver, ("10.1.2.3", "NOERROR", ["printer.example.com."]), ("10.1.2.4", "NXDOMAIN", []))
            assert self.soa_owners(resolver, "10.1.2.4") == ["2.1.10.in-addr.arpa."]

    def test_a_sub_block_without_one_loses_it(self, net):
        config = self.hints(net) + stanzas("Unbound")[1].replace("2.1.10", "9.9.10")
        with ours(net), unbound(config, host=net.host, address=RESOLVER, port=53) as resolver:
            assert look_up(resolver, "10.9.9.9") == UNMAPPED
            assert self.soa_owners(resolver, "10.9.9.9") == []
            assert net.leaks == []

    def soa_owners(self, resolver: Peer, address: str) -> list[str]:
        reply = resolver.ask(dns.message.make_query(dns.reversename.from_address(address), "PTR"))
        return [str(rrset.name) for rrset in reply.authority if rrset.rdtype == dns.rdatatype.SOA]


class TestDnsmasq:
    SERVER = f"server={UPSTREAM}\n"

    def test_it_leaks_by_its_server(self, net):
        with (
            unbound(leaking_upstream(net), host=net.host, address=UPSTREAM, port=53),
            dnsmasq(self.SERVER, host=net.host, address=RESOLVER, port=53) as resolver,
        ):
            assert leaks_of(net, resolver, "10.0.0.3") == {"3.0.0.10.in-addr.arpa."}

    def test_behind_a_rev_server_nothing_leaks(self, net):
        config = self.SERVER + "\n".join(stanzas("dnsmasq"))
        with (
            ours(net),
            unbound(leaking_upstream(net), host=net.host, address=UPSTREAM, port=53),
            dnsmasq(config, host=net.host, address=RESOLVER, port=53) as resolver,
        ):
            check_all(net, resolver, MAPPED, UNMAPPED, HERS, NOT_HERS)
