"""CoreDNS: server blocks with the forward plugin.

By its documentation alone (corefile(5), the forward plugin): Debian has no package, so no test runs it. The server
block with the longest name that fits gets the query, whatever the order; `forward` hands on RD=1, so ours refuses it
below a delegation, and follows no CNAMEs.
"""

from collections.abc import Iterator

from blackhole_guard.integrations.configuration import Configuration, Note, Piece, note_classless, note_lost
from blackhole_guard.integrations.plan import Plan, Route, insecurely_delegated


def render(plan: Plan) -> Configuration:
    """Write a server block for each set of servers."""
    blocks: dict[tuple[object, ...], list[Route]] = {}
    for route in plan.reachable:
        if not route.is_classless:  # `64/26...` as a name would be read as a block of addresses
            blocks.setdefault(route.target, []).append(route)
    piece = Piece(
        "Corefile",
        "Beside the block of `.`; the longest name that fits wins. Add the plugins that you want, such as errors.\n"
        "In Kubernetes, the kubernetes plugin of `.` is then not asked for pods and services with addresses in these\n"
        "blocks: leave theirs out, or put the plugin here, too.",
        "\n".join(map(_server_block, blocks.values())),
    )
    return Configuration("CoreDNS", (piece,), tuple(_notes(plan)))


def _server_block(routes: list[Route]) -> str:
    names = " ".join(route.text for route in routes)
    servers = " ".join(str(server) for server in routes[0].servers)
    return f"{names} {{\n    forward . {servers}\n}}\n"


def _notes(plan: Plan) -> Iterator[Note]:
    yield Note(
        "written by CoreDNS's documentation, not tried: Debian has no package of it", "try it before you rely on it"
    )
    yield from note_lost(plan)
    yield from note_classless(
        plan.routes,
        "CoreDNS does not follow the CNAMEs to it: its clients get the CNAME alone",
        "delegate whole octets, such as a /24",
    )
    names = [route.text for route in insecurely_delegated(plan.routes) if route.block is None]
    if names:
        yield Note(
            f"DS look-ups for {' and '.join(names)} come to us instead of to the parent, arpa",
            "clients of CoreDNS that validate by themselves need another resolver",
        )
