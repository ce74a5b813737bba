"""The lines for a resolver's configuration, for `integrate` and `doctor` alike: always all of them.

They go into files of their own, and most programs have settings that may be there once: lines for some blocks would
take away those for the others.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from blackhole_guard.cli.reading import Reading
from blackhole_guard.cli.terminal import count
from blackhole_guard.integrations.configuration import Configuration, Note
from blackhole_guard.integrations.endpoints import check_servers, choose_server
from blackhole_guard.integrations.plan import DNS_PORT, IntegrationError, Plan, Server, make_plan
from blackhole_guard.integrations.programs import PROGRAMS
from blackhole_guard.reserved.registry import ZONES, find_reserved_name
from blackhole_guard.server.listen import DEFAULT_LISTEN, ListenError, parse_listen
from blackhole_guard.wire.names import suffixes

_SERVE_FIRST = "serve it first, by a map of its own or by `reserved: {serve: true}`: see `blackhole-guard check`"


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
        yield f"{comment} Run `{command}` again when blocks, delegations or addresses change, in place of this."
        for note in self.configuration.notes:
            yield f"{comment} Note: {note.what};"
            yield f"{comment}     {note.hint}."
        for piece in self.configuration.pieces:
            yield ""
            yield f"{piece.comment} {piece.file}"
            yield from (f"{piece.comment} {sentence}" for sentence in piece.how.splitlines())
            yield piece.text.removesuffix("\n")


def make_stanzas(
    program: str,
    reading: Reading,
    given: tuple[str, ...] = (),
    *,
    towards: IPv4Address | IPv6Address | None = None,
    sick: Collection[str] = (),
) -> Stanzas:
    """Make the lines for a program.

    Args:
        program: a key of PROGRAMS.
        given: where the resolver reaches us, as `--server` takes it; none: as the settings say where we listen.
        towards: as `choose_server` takes it.
        sick: blocks (`registry.BLOCKS`) that these lines are to cure; no program is then believed to do it by itself.
    Raises:
        IntegrationError: there is nothing to ask us for, or nowhere to ask; or nothing of what is sick is served.
    """
    servers, notes = _find_servers(given, reading, towards)
    plan = make_plan(reading.zones.zones.values(), reading.zones.cuts.values(), servers)
    if sick:
        notes = (*_note_unserved(reading, sick), *notes)
        routes = (replace(each, is_wanted=each.is_wanted or _block_of(each.name) in sick) for each in plan.routes)
        plan = replace(plan, routes=tuple(routes))
    configuration = PROGRAMS[program](plan)
    return Stanzas(program, plan, replace(configuration, notes=(*notes, *configuration.notes)))


def _note_unserved(reading: Reading, sick: Collection[str]) -> Iterator[Note]:
    """Note the blocks that cannot be cured by asking us. Raises IntegrationError: none can."""
    names = reading.zones.zones.keys() | reading.zones.cuts.keys()
    touched = {_block_of(name) for name in names}
    missing = [block for block in sick if block not in touched]
    if len(missing) == len(sick):
        raise IntegrationError(f"nothing of these blocks is served here: {', '.join(missing)}", _SERVE_FIRST)
    if missing:
        yield Note(f"{', '.join(missing)}: not served here, so these lines do not cure it", _SERVE_FIRST)
    whole = {zone.block for zone in ZONES} - {zone.block for zone in ZONES if names.isdisjoint(suffixes(zone.apex))}
    in_part = [block for block in sick if block in touched and block not in whole]
    if in_part:
        yield Note(f"{', '.join(in_part)}: served here in part, and these lines do not cure the rest", _SERVE_FIRST)


def _block_of(name: bytes) -> str | None:
    zone = find_reserved_name(name)
    return None if zone is None else zone.block


def _find_servers(
    given: tuple[str, ...], reading: Reading, towards: IPv4Address | IPv6Address | None
) -> tuple[tuple[Server, ...], tuple[Note, ...]]:
    """Take the addresses that were given, else choose one of those that the settings listen on."""
    settings = reading.settings.server
    try:
        if given:
            return check_servers(parse_listen(given, DNS_PORT)), ()
        server, notes = choose_server(parse_listen(settings.listen or DEFAULT_LISTEN, settings.port), towards)
    except ListenError as error:
        raise IntegrationError("; ".join(error.problems), "write it as 127.0.0.1:5300 or [::1]:5300") from error
    return (server,), notes
