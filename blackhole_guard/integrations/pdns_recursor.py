"""PowerDNS Recursor: a file of forward zones, and negative trust anchors in Lua.

PowerDNS Recursor's documentation, "Settings" (`forward-zones-file`, `serve-rfc1918`, `dont-query`) and "DNSSEC in the
PowerDNS Recursor" (`addNTA`). A zone without `+` before it is asked with RD=0, as an authoritative server wants; its
servers may be private ones, those of a referral may not (`dont-query`), so delegated blocks have lines of their own.
"""

from collections.abc import Iterator

from blackhole_guard.integrations.configuration import Configuration, Note, Piece, note_lost
from blackhole_guard.integrations.plan import DNS_PORT, Plan, Route, Server

_FILE = "/etc/powerdns/blackhole-guard.zones"
_REASON = "served by blackhole_guard"


def render(plan: Plan) -> Configuration:
    """Write the file, the setting that names it, and the anchors."""
    pieces = (
        Piece(
            _FILE,
            "A file of its own. serve-rfc1918 may stay on: these come before its own zones.\n"
            "Delegated blocks have lines of their own: it asks no private address that a referral names.",
            "".join(map(_line, plan.reachable)),
        ),
        Piece(
            "/etc/powerdns/recursor.d/blackhole-guard.conf",
            "A file of its own. If there is a forward-zones-file already, add the lines above to that one instead.",
            f"forward-zones-file={_FILE}\n",
        ),
        Piece(
            "/etc/powerdns/recursor.lua",
            "At the end; lua-config-file names it. Where it validates, the public DNS says that some do not exist.",
            "".join(f'addNTA("{route.text}.", "{_REASON}")\n' for route in plan.tops),
            "--",
        ),
    )
    return Configuration("PowerDNS Recursor", pieces, tuple(_notes(plan)))


def _line(route: Route) -> str:
    return f"{route.text}={';'.join(map(_address, route.servers))}\n"


def _address(server: Server) -> str:
    return str(server.address) if server.port == DNS_PORT else str(server)


def _notes(plan: Plan) -> Iterator[Note]:
    yield from note_lost(plan)
