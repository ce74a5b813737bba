"""dnsmasq: rev-server and server lines.

dnsmasq(8). It asks with RD=1, so ours refuses it below a delegation; it validates no names that have a server of their
own (`--server`), unless a trust anchor says so; it does not follow CNAMEs to other servers.
"""

from collections.abc import Iterator

from blackhole_guard.integrations.configuration import Configuration, Note, Piece, note_classless, note_lost
from blackhole_guard.integrations.plan import DNS_PORT, Plan, Route, Server, insecurely_delegated


def render(plan: Plan) -> Configuration:
    """Write a line for each route and server."""
    # A slash in a name ends the name here, so there is no line for a delegation below /24.
    lines = [line for route in plan.reachable if not route.is_classless for line in _lines(route)]
    piece = Piece(
        "/etc/dnsmasq.d/blackhole-guard.conf",
        "A file of its own, read where dnsmasq.conf has conf-dir=/etc/dnsmasq.d. With or without bogus-priv:\n"
        "these lines come before it. Delegated blocks have lines of their own, because dnsmasq follows no referrals.",
        "".join(lines),
    )
    return Configuration("dnsmasq", (piece,), tuple(_notes(plan)))


def _lines(route: Route) -> Iterator[str]:
    for server in route.servers:
        if route.block is None:
            yield f"server=/{route.text}/{_address(server)}\n"
        else:
            yield f"rev-server={route.block},{_address(server)}\n"


def _address(server: Server) -> str:
    return str(server.address) if server.port == DNS_PORT else f"{server.address}#{server.port}"


def _notes(plan: Plan) -> Iterator[Note]:
    yield from note_lost(plan)
    yield from note_classless(
        plan.routes,
        "dnsmasq does not follow the CNAMEs to it: its clients get the CNAME alone",
        "delegate whole octets, such as a /24, or put Unbound or BIND before dnsmasq's clients",
    )
    names = [route.text for route in insecurely_delegated(plan.routes) if route.block is None]
    if names:
        yield Note(
            f"without `dnssec`, DS look-ups for {' and '.join(names)} come to us instead of to the parent, arpa",
            "set `dnssec` if clients of dnsmasq validate by themselves",
        )
