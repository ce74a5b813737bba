"""systemd-resolved: a link of its own with route-only domains, or a drop-in.

resolved.conf(5), systemd.network(5), systemd.netdev(5), dnssec-trust-anchors.d(5), systemd-resolved.service(8),
"Protocols and Routing". All servers of `DNS=` in resolved.conf are one list, of which it asks any: a drop-in beside
other global servers cures nothing, silently. Servers of a link are apart, but are asked through that link, unless they
are addresses of this machine: so a dummy link does for ours on loopback, and for no other.
"""

from collections.abc import Iterable, Iterator

from blackhole_guard.integrations.configuration import Configuration, Note, Piece, note_classless, note_lost
from blackhole_guard.integrations.plan import DNS_PORT, Plan, Route, Server

_NETWORK = "/etc/systemd/network/"
_LINK = "bhguard0"
# A link without an address is not asked. TEST-NET-1 (RFC 5737) is nobody's.
_LINK_ADDRESS = "192.0.2.53/32"
_MOST_DOMAINS = 256  # of a link, or global (systemd's resolved-link.h, resolved-manager.h); it drops further ones


def render(plan: Plan) -> Configuration:
    """Write the link, or the drop-in where our address is not loopback; and what links to delegated blocks need."""
    local = all(server.address.is_loopback for server in plan.servers)
    pieces = [*(_dummy_link(plan) if local else _drop_in(plan))]
    groups: dict[tuple[object, ...], list[Route]] = {}
    for route in plan.reachable:
        if not route.ours and not route.is_classless:
            groups.setdefault(route.target, []).append(route)
    pieces += [_link_to(routes) for routes in groups.values()]
    return Configuration("systemd-resolved", tuple(pieces), tuple(_notes(plan, local=local)))


def _dummy_link(plan: Plan) -> Iterator[Piece]:
    yield Piece(
        f"{_NETWORK}blackhole-guard.netdev",
        "Files of their own for systemd-networkd, which need not manage any other link. Then: networkctl reload.\n"
        "A link of its own, because a DNS= in resolved.conf would be one of a list with other global servers.",
        f"[NetDev]\nName={_LINK}\nKind=dummy\n",
    )
    text = f"[Match]\nName={_LINK}\n\n[Network]\nAddress={_LINK_ADDRESS}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    text += f"LLMNR=no\nMulticastDNS=no\nDNSDefaultRoute=no\nDNS={_servers(plan.servers)}\n"
    text += "".join(f"Domains=~{route.text}\nDNSSECNegativeTrustAnchors={route.text}\n" for route in plan.ours)
    yield Piece(f"{_NETWORK}blackhole-guard.network", "", text)


def _drop_in(plan: Plan) -> Iterator[Piece]:
    domains = "".join(f"Domains=~{route.text}\n" for route in plan.ours)
    yield Piece(
        "/etc/systemd/resolved.conf.d/blackhole-guard.conf",
        "A file of its own. Then: systemctl restart systemd-resolved.",
        f"[Resolve]\nDNS={_servers(plan.servers)}\n{domains}",
    )
    yield Piece(
        "/etc/dnssec-trust-anchors.d/blackhole-guard.negative",
        "A file of its own, where DNSSEC= is not no. It replaces the names that systemd-resolved has built in: add\n"
        "those that you need, such as `corp` and `internal`.",
        "".join(f"{route.text}\n" for route in plan.ours),
        ";",
    )


def _link_to(routes: list[Route]) -> Piece:
    """Write what the link that leads to a delegated block's servers must know."""
    domains = "".join(f"Domains=~{route.text}\nDNSSECNegativeTrustAnchors={route.text}\n" for route in routes)
    return Piece(
        f"{_NETWORK}LINK.network.d/blackhole-guard.conf",
        f"LINK.network: the file of the link that leads to {_servers(routes[0].servers)}, such as a VPN's.\n"
        "That link must have no other name servers: those would be asked for these names, too.",
        f"[Network]\nDNS={_servers(routes[0].servers)}\n{domains}",
    )


def _servers(servers: Iterable[Server]) -> str:
    return " ".join(str(server.address) if server.port == DNS_PORT else str(server) for server in servers)


def _notes(plan: Plan, *, local: bool) -> Iterator[Note]:
    if not local:
        yield Note(
            "a drop-in is of use only where all other name servers belong to links: global ones are one list with ours",
            "let blackhole_guard listen on a loopback address of this machine, too, and run this again",
        )
    if len(plan.ours) > _MOST_DOMAINS:
        yield Note(
            f"{len(plan.ours)} names, and systemd-resolved takes {_MOST_DOMAINS}: what is below the others leaks",
            "serve whole blocks in place of many small ones, or put Unbound or BIND between",
        )
    yield from note_lost(plan)
    yield from note_classless(
        plan.routes,
        "systemd-resolved does not find what the CNAMEs to it lead to: its clients get REFUSED",
        "delegate whole octets, such as a /24, or put Unbound or BIND between",
    )
    delegated = [route.label for route in plan.delegated if route.servers and not route.is_classless]
    if delegated:
        yield Note(
            f"{', '.join(delegated)}: all name servers of a link are equal to systemd-resolved, and ours refuse this",
            "where no link leads to those servers alone, put Unbound or BIND between: they follow delegations",
        )
