"""BIND 9: forward zones, and static-stub zones for delegated blocks.

BIND 9 Administrator Reference Manual, "zone" and "options" grammar. `forward only` makes BIND give up its automatic
empty zone of that name; with `forward first` it keeps it and answers NXDOMAIN itself. `type static-stub` asks without
RD, as the authoritative servers of a delegated block want, but can name no port. Left out: secondaries, which would
hide the queries from us.
"""

from collections.abc import Iterable

from blackhole_guard.integrations.configuration import Configuration, Piece, note_looked_up
from blackhole_guard.integrations.plan import DNS_PORT, Plan, Route, Server


def render(plan: Plan) -> Configuration:
    """Write the `validate-except` of the options block, and a zone for each route."""
    options = "".join(f'        "{route.text}";\n' for route in plan.tops)
    pieces = (
        Piece(
            "/etc/bind/named.conf.options",
            "Put validate-except into the options block that is there.\n"
            "A BIND that validates would else ask the public DNS, which says that some of these names do not exist.",
            f"options {{\n    validate-except {{\n{options}    }};\n}};\n",
            "//",
        ),
        Piece(
            "/etc/bind/named.conf.local",
            "`forward only`, never `first`: with that BIND answers from its own empty zones.\n"
            "Delegated blocks have zones of their own: BIND takes our referral, and our REFUSED, for an error.",
            "".join(map(_zone, plan.routes)),
            "//",
        ),
    )
    return Configuration("BIND", pieces, tuple(note_looked_up(plan, "BIND")))


def _zone(route: Route) -> str:
    if route.ours:
        return f'zone "{route.text}" {{ type forward; forward only; forwarders {{ {_addresses(route.servers)} }}; }};\n'
    if route.servers:
        servers = f"server-addresses {{ {_addresses(route.servers)} }}"
    else:
        servers = "server-names { " + " ".join(f'"{host}";' for host in route.hosts) + " }"
    # Without forwarders of its own it would take those of the zone around it.
    return f'zone "{route.text}" {{ type static-stub; {servers}; forwarders {{ }}; }};\n'


def _addresses(servers: Iterable[Server]) -> str:
    return " ".join(
        f"{server.address};" if server.port == DNS_PORT else f"{server.address} port {server.port};"
        for server in servers
    )
