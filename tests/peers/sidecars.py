"""Ours as a sidecar: what it serves, what `integrate` prints for it, and what must then come out of a resolver.

All live in one namespace: the resolver on RESOLVER, ours on 127.0.0.1:5300, a stand-in internet, and the server of the
delegated blocks. Each leak is shown without ours first: a stand-in that nobody could reach would count none.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dns.dnssec
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
from peer_processes import HERE, Peer
from peer_servers import guard, nsd
from stand_in_internet import (
    DELEGATED_ADDRESS,
    DELEGATED_NAME,
    PUBLIC_ADDRESS,
    PUBLIC_NAME,
    ROOT_HINTS,
    Internet,
)

from blackhole_guard.reserved.registry import ZONES
from blackhole_guard.wire.names import format_name

RESOLVER, UPSTREAM, OTHER_ADDRESS = "10.0.0.53", "198.41.1.53", "10.0.0.55"
RESOLVER_SIX = "2001:db8::53"  # from which it asks others over IPv6
ADDRESSES = (RESOLVER, RESOLVER_SIX, UPSTREAM, OTHER_ADDRESS, DELEGATED_ADDRESS)

MAPS = {
    "ten.yaml": f"""
zone: 10.0.0.0/8
ptr: {{10.0.0.3: web.example.com}}
delegate:
  10.20.0.0/16: {{{DELEGATED_NAME}: {DELEGATED_ADDRESS}}}
  10.1.3.64/26: {{{DELEGATED_NAME}: {DELEGATED_ADDRESS}}}
""",
    "sub-block.yaml": "zone: 10.1.2.0/24\nptr: {3: printer.example.com}\n",
    "inside.yaml": "zone: 10.20.1.0/24\nptr: {7: camera.example.com}\n",  # ours, in a block that is delegated
}
_APEX = f"""$TTL 3600
@ IN SOA {DELEGATED_NAME}. admin.example.com. 1 3600 1200 604800 10800
@ IN NS {DELEGATED_NAME}.
"""
DELEGATED = {
    "20.10.in-addr.arpa.": f"{_APEX}9.0 IN PTR member.corp.example.com.\n",
    "30.10.in-addr.arpa.": f"{_APEX}9.0 IN PTR lab.corp.example.com.\n",
    "64/26.3.1.10.in-addr.arpa.": f"{_APEX}65 IN PTR tenant.corp.example.com.\n",
}

Expected = tuple[str, str, list[str]]  # what a client asks for, and what it must get: RCODE and PTRs
MAPPED: Expected = ("10.0.0.3", "NOERROR", ["web.example.com."])
UNMAPPED: Expected = ("10.9.9.9", "NXDOMAIN", [])
MAPPED_BELOW: Expected = ("10.1.2.3", "NOERROR", ["printer.example.com."])
UNMAPPED_BELOW: Expected = ("10.1.2.4", "NXDOMAIN", [])
MAPPED_INSIDE: Expected = ("10.20.1.7", "NOERROR", ["camera.example.com."])
UNMAPPED_INSIDE: Expected = ("10.20.1.8", "NXDOMAIN", [])
HERS: Expected = ("10.20.0.9", "NOERROR", ["member.corp.example.com."])
NOT_HERS: Expected = ("10.20.0.8", "NXDOMAIN", [])
CLASSLESS: Expected = ("10.1.3.65", "NOERROR", ["tenant.corp.example.com."])
ALL = (MAPPED, UNMAPPED, MAPPED_BELOW, UNMAPPED_BELOW, MAPPED_INSIDE, UNMAPPED_INSIDE, HERS, NOT_HERS)


@contextmanager
def ours(
    net: Internet,
    maps: Mapping[str, str] = MAPS,
    *,
    settings: Mapping[str, object] | None = None,
    address: str = "127.0.0.1",
    metrics: int | None = None,
) -> Iterator[Peer]:
    """Ours where the lines say, and the server that has the delegated blocks."""
    with (
        guard(maps, settings=settings, host=net.host, address=address, port=5300, metrics=metrics) as peer,
        nsd(DELEGATED, host=net.host, address=DELEGATED_ADDRESS, port=53),
    ):
        yield peer


def integrate(peer: Peer, program: str) -> dict[str, str]:
    """Run `integrate` with the configuration that a server of ours runs with: file -> the lines for it."""
    return {piece["file"]: piece["text"] for piece in integrate_json(peer, program)["pieces"]}


def integrate_json(peer: Peer, program: str) -> dict[str, Any]:
    config = str(peer.directory / "config.yaml")
    words = [sys.executable, "-m", "blackhole_guard", "integrate", program, "--config", config, "--json"]
    found: dict[str, Any] = json.loads(HERE.run(*words))
    return found


def look_up(resolver: Peer, address: str) -> Expected:
    reply = resolver.ask(dns.message.make_query(dns.reversename.from_address(address), "PTR"), seconds=20)
    found = [str(rdata) for rrset in reply.answer if rrset.rdtype == dns.rdatatype.PTR for rdata in rrset]
    return address, dns.rcode.to_text(reply.rcode()), found


def soa_owners(resolver: Peer, name: str, qtype: str) -> list[str]:
    """Who says that there is nothing: the owners of the SOA records of a negative answer."""
    reply = resolver.ask(dns.message.make_query(name, qtype), seconds=20)
    return [str(rrset.name).lower() for rrset in reply.authority if rrset.rdtype == dns.rdatatype.SOA]


def leaks_of(net: Internet, resolver: Peer, *addresses: str) -> set[str]:
    """Ask for the PTRs of these addresses, and say which names got to AS112."""
    net.leaks.clear()
    for address in addresses:
        look_up(resolver, address)
    return {leak.qname.lower() for leak in net.leaks if leak.qtype == "PTR"}


def check_all(net: Internet, resolver: Peer, *expected: Expected, validates: bool = False) -> None:
    """Each look-up gets what it must, nothing of it leaks, and the resolver still finds the rest of the internet."""
    net.leaks.clear()
    assert [look_up(resolver, address) for address, _, _ in expected] == list(expected)
    for qtype in ("TXT", "ANY", "SOA"):
        resolver.ask(dns.message.make_query("4.0.0.10.in-addr.arpa.", qtype), seconds=20)
    resolver.ask(dns.message.make_query("b._dns-sd._udp.0.0.0.10.in-addr.arpa.", "PTR"), seconds=20)
    assert net.leaks == []
    reply = resolver.ask(dns.message.make_query(f"{PUBLIC_NAME}.", "A", want_dnssec=True), seconds=20)
    found = [str(rdata) for rrset in reply.answer if rrset.rdtype == dns.rdatatype.A for rdata in rrset]
    assert found == [PUBLIC_ADDRESS]
    assert bool(reply.flags & dns.flags.AD) == validates


def root_hints(net: Internet) -> str:
    """The path of a file with the stand-in root server."""
    hints = net.root.directory / "hints"
    hints.write_text(ROOT_HINTS)
    return str(hints)


def leaking_unbound(net: Internet) -> str:
    """The configuration of an Unbound that recurses for all of the reserved space, too."""
    off = "".join(f'  local-zone: "{format_name(zone.apex)}" nodefault\n' for zone in ZONES)
    return f"server:\n  root-hints: {root_hints(net)}\n{off}"


def validating_unbound(net: Internet) -> str:
    key = f". DNSKEY {net.trust_anchor()}"
    return f'server:\n  module-config: "validator iterator"\n  trust-anchor: "{key}"\n'


def bind_hints(net: Internet) -> str:
    return f'zone "." {{ type hint; file "{root_hints(net)}"; }};\n'


def bind_anchor(net: Internet) -> str:
    flags, protocol, algorithm, key = net.trust_anchor().split(" ", 3)
    return f'trust-anchors {{ . static-key {flags} {protocol} {algorithm} "{key}"; }};\n'


def root_ds(net: Internet) -> str:
    """The DS of the stand-in root's key, as RDATA text."""
    reply = net.root.ask(dns.message.make_query(".", "DNSKEY"))
    (key,) = (rdata for rrset in reply.answer for rdata in rrset if rdata.flags & 1)
    return str(dns.dnssec.make_ds(".", key, "SHA256"))
