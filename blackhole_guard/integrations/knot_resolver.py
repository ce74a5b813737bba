"""Knot Resolver 5: policy rules in Lua.

Knot Resolver's documentation, "Query policies" (the order of rules, `policy.STUB`), and "Replacing part of the DNS
tree" (`NO_CACHE`: the signed proofs of the public DNS that a name does not exist must not answer for ours). The first
rule that fits wins, but for FLAGS, which goes on. `policy.STUB` asks with RD=1, does not validate, and does not follow
CNAMEs to other servers; the built-in rules for private zones come after ours.
"""

from collections.abc import Iterable, Iterator

from blackhole_guard.integrations.configuration import Configuration, Note, Piece, note_classless, note_lost
from blackhole_guard.integrations.plan import DNS_PORT, Plan, Route, Server, insecurely_delegated


def render(plan: Plan) -> Configuration:
    """Write the rules, those of the deepest names first."""
    text = _ds_rule(plan) + _rule("policy.FLAGS({'NO_CACHE'})", plan.tops)
    for routes in _runs(plan.deepest_first()):
        servers = ", ".join(f"'{_address(server)}'" for server in routes[0].servers)
        text += _rule(f"policy.STUB({{{servers}}})", routes)
    piece = Piece(
        "/etc/knot-resolver/kresd.conf",
        "Before any rule for all names (policy.all): the first that fits wins, so delegated blocks come first.\n"
        "NO_CACHE: signed proofs of the public DNS that a name does not exist must not answer for these.",
        text,
        "--",
    )
    return Configuration("Knot Resolver", (piece,), tuple(_notes(plan)))


def _ds_rule(plan: Plan) -> str:
    """Let DS look-ups go to the parent, so that clients that validate find the proof that these are not signed."""
    routes = tuple(insecurely_delegated(plan.tops))
    if not routes:
        return ""
    return (
        f"local ds_at_parent = policy.domains(policy.PASS, policy.todnames({{\n{_names(routes)}}}))\n"
        "policy.add(function (request, query)\n"
        "    if query.stype == kres.type.DS then return ds_at_parent(request, query) end\n"
        "end)\n"
    )


def _rule(action: str, routes: Iterable[Route]) -> str:
    return f"policy.add(policy.suffix({action}, policy.todnames({{\n{_names(routes)}}})))\n"


def _names(routes: Iterable[Route]) -> str:
    return "".join(f"    '{route.text}',\n" for route in routes)


def _runs(routes: Iterable[Route]) -> Iterator[list[Route]]:
    """Put routes that follow each other and lead to the same servers together."""
    run: list[Route] = []
    for route in routes:
        if run and run[0].target != route.target:
            yield run
            run = []
        run.append(route)
    if run:
        yield run


def _address(server: Server) -> str:
    return str(server.address) if server.port == DNS_PORT else f"{server.address}@{server.port}"


def _notes(plan: Plan) -> Iterator[Note]:
    yield from note_lost(plan)
    yield from note_classless(
        plan.routes,
        "Knot Resolver does not follow the CNAMEs to it: its clients get the CNAME alone",
        "delegate whole octets, such as a /24",
    )
