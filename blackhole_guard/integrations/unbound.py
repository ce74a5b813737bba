"""Unbound: stub zones.

unbound.conf(5). `local-zone: ... nodefault` takes away exactly a built-in zone; below one it has no effect, and
`transparent` has. A stub-zone asks without RD and so would follow our referrals, but not believe the addresses in them
(`harden-glue`): delegated blocks have a stub-zone of their own.
"""

from collections.abc import Iterator

from blackhole_guard.integrations.configuration import Configuration, Piece, note_looked_up
from blackhole_guard.integrations.plan import DNS_PORT, Plan, Route, Server, hidden_by


def render(plan: Plan) -> Configuration:
    """Write one `server:` clause for all, and a stub-zone for each route."""
    lines = ["server:"]
    if any(server.address.is_loopback for route in plan.reachable for server in route.servers):
        lines.append("    do-not-query-localhost: no")
    for route in plan.tops:
        kind = "nodefault" if hidden_by(route) is None else "transparent"
        lines += [f'    local-zone: "{route.text}." {kind}', f'    domain-insecure: "{route.text}."']
    for route in plan.routes:
        lines += _stub_zone(route)
    piece = Piece(
        "/etc/unbound/unbound.conf.d/blackhole-guard.conf",
        "A file of its own. `nodefault` takes Unbound's built-in zones away, which would answer NXDOMAIN;\n"
        "domain-insecure is for an Unbound that validates: the public DNS says that some of these names do not exist.",
        "\n".join(lines) + "\n",
    )
    return Configuration("Unbound", (piece,), tuple(note_looked_up(plan, "Unbound")))


def _stub_zone(route: Route) -> Iterator[str]:
    yield "stub-zone:"
    yield f'    name: "{route.text}."'
    if route.servers:
        yield from (f"    stub-addr: {_address(server)}" for server in route.servers)
    else:
        yield from (f"    stub-host: {host}." for host in route.hosts)


def _address(server: Server) -> str:
    return str(server.address) if server.port == DNS_PORT else f"{server.address}@{server.port}"
