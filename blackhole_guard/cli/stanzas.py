"""The lines for a resolver's configuration: all of them for `integrate`, those of the blocks that leak for `doctor`."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from blackhole_guard.cli.reading import Reading
from blackhole_guard.cli.terminal import count
from blackhole_guard.integrations.configuration import Configuration, Note
from blackhole_guard.integrations.endpoints import check_servers, choose_server
from blackhole_guard.integrations.plan import DNS_PORT, IntegrationError, Plan, Route, Server, make_plan
from blackhole_guard.integrations.programs import PROGRAMS
from blackhole_guard.reserved.registry import find_reserved_name
from blackhole_guard.server.listen import DEFAULT_LISTEN, ListenError, parse_listen


@dataclass(frozen=True, slots=True)
class Stanzas:
    """What a program must be told."""

    program: str  # a key of PROGRAMS
    plan: Plan
    configuration: Configuration

    def lines(self) -> Iterator[str]:
        """Write all pieces, with comments that say where each goes."""
        comment = self.configuration.pieces[0].comment
        servers = ", ".join(map(str, self.plan.servers))
        names = count(len(self.plan.ours) - len(self.configuration.left_out), "name")
        yield f"{comment} {self.configuration.program} asks blackhole_guard at {servers} for {names} and all below."
        command = f"blackhole-guard integrate {self.program}"
        yield f"{comment} Run `{command}` again when blocks, delegations or addresses change."
        for note in self.configuration.notes:
            yield f"{comment} Note: {note.what};"
            yield f"{comment}     {note.hint}."
        for piece in self.configuration.pieces:
            yield ""
            yield f"{piece.comment} {piece.file}"
            yield from (f"{piece.comment} {sentence}" for sentence in piece.how.splitlines())
            yield piece.text.removesuffix("\n")


def make_stanzas(
    program: str, reading: Reading, given: tuple[str, ...] = (), *, blocks: Collection[str] | None = None
) -> Stanzas:
    """Make the lines for a program.

    Args:
        program: a key of PROGRAMS.
        given: where the resolver reaches us, as `--server` takes it; none: as the settings say where we listen.
        blocks: of `registry.BLOCKS`; only what lies in them; None: everything that is served.
    Raises:
        IntegrationError: there is nothing to ask us for, or nowhere to ask.
    """
    servers, notes = _find_servers(given, reading)
    plan = make_plan(reading.zones.zones.values(), reading.zones.cuts.values(), servers)
    if blocks is not None:
        routes = (replace(route, is_wanted=True) for route in plan.routes if _block_of(route) in blocks)
        plan = replace(plan, routes=tuple(routes))
        if not plan.ours:
            raise IntegrationError("nothing of these blocks is served here", "see `blackhole-guard check`")
    configuration = PROGRAMS[program](plan)
    return Stanzas(program, plan, replace(configuration, notes=(*notes, *configuration.notes)))


def _block_of(route: Route) -> str | None:
    zone = find_reserved_name(route.name)
    return None if zone is None else zone.block


def _find_servers(given: tuple[str, ...], reading: Reading) -> tuple[tuple[Server, ...], tuple[Note, ...]]:
    """Take the addresses that were given, else choose one of those that the settings listen on."""
    settings = reading.settings.server
    try:
        if given:
            return check_servers(parse_listen(given, DNS_PORT)), ()
        server, notes = choose_server(parse_listen(settings.listen or DEFAULT_LISTEN, settings.port))
    except ListenError as error:
        raise IntegrationError("; ".join(error.problems), "write it as 127.0.0.1:5300 or [::1]:5300") from error
    return (server,), notes
