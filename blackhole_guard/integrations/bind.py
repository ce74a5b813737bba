"""BIND 9: forward zones, and static-stub zones for delegated blocks.

named takes no two zones of one name, and answers from a primary zone for all below it, whatever forward zones there
are: so what Debian's package has primary zones for is left to those, as far as no map says anything of it.
BIND 9 Administrator Reference Manual, "zone" and "options" grammar. `forward only` makes BIND give up its automatic
empty zone of that name; with `forward first` it keeps it and answers NXDOMAIN itself. `type static-stub` asks without
RD, as the authoritative servers of a delegated block want, but can name no port. Left out: secondaries, which would
hide the queries from us.
"""

from collections.abc import Iterable, Iterator

from blackhole_guard.integrations.configuration import Configuration, Note, Piece, note_looked_up
from blackhole_guard.integrations.plan import DNS_PORT, Plan, Route, Server
from blackhole_guard.wire.names import format_name, pack_name, suffixes

_DEFAULT_FILE = "/etc/bind/named.conf.default-zones"  # which Debian's named.conf includes
_DEFAULT_ZONES = frozenset(map(pack_name, ("0.in-addr.arpa", "127.in-addr.arpa", "255.in-addr.arpa")))  # that it has


def render(plan: Plan) -> Configuration:
    """Write the `validate-except` of the options block, and a zone for each route."""
    left_out = tuple(route for route in plan.routes if _default_zone(route) and not route.is_wanted)
    routes = tuple(route for route in plan.routes if route not in left_out)
    options = "".join(f'        "{route.text}";\n' for route in plan.tops if route not in left_out)
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
            "Delegated blocks have zones of their own: BIND takes our referral, and our REFUSED, for an error.\n"
            "Where there are views all zones must be in views: put these into each, in place of this file.",
            "".join(map(_zone, routes)),
            "//",
        ),
    )
    return Configuration("BIND", pieces, tuple(_notes(plan, routes, left_out)), left_out)


def _default_zone(route: Route) -> bytes | None:
    """Find the zone of Debian's that a route lies in."""
    return next((each for each in suffixes(route.name) if each in _DEFAULT_ZONES), None)


def _notes(plan: Plan, routes: Iterable[Route], left_out: Iterable[Route]) -> Iterator[Note]:
    yield from note_looked_up(plan, "BIND")
    names = ", ".join(route.text for route in left_out)
    if names:
        yield Note(
            f"{names}: not among these lines, because Debian's {_DEFAULT_FILE} has primary zones for them",
            "where yours has none and they leak, `blackhole-guard doctor` prints their lines, too",
        )
    zones = sorted({format_name(zone).removesuffix(".") for route in routes if (zone := _default_zone(route))})
    if zones:
        yield Note(
            f"Debian's {_DEFAULT_FILE} has {', '.join(zones)}, too: named does not start, or answers by itself",
            "delete there what has these names",
        )


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
