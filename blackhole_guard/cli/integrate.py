"""`blackhole-guard integrate`: the lines for a resolver that shall ask us."""

import json
import sys
from typing import Any

import click

from blackhole_guard.cli.reading import config_options, read_all
from blackhole_guard.cli.settings_options import find_config, make_overrides, refuse_words
from blackhole_guard.cli.stanzas import make_stanzas
from blackhole_guard.cli.terminal import count, make_console, print_problems
from blackhole_guard.integrations.configuration import Configuration
from blackhole_guard.integrations.plan import IntegrationError, Plan
from blackhole_guard.integrations.programs import PROGRAMS
from blackhole_guard.wire.names import escape_text, format_name


@click.command(
    help="Print the lines that a resolver needs to ask us for the blocks that we serve, and the servers of delegated "
    "blocks for those. Changes nothing. Exit code 0: printed; 1: the maps have errors, or the lines cannot be written.",
)
@click.argument("program", metavar="|".join(PROGRAMS), type=click.Choice(list(PROGRAMS)))
@click.argument("rest", nargs=-1, metavar="")
@config_options
@click.option(
    "--server",
    "given",
    multiple=True,
    metavar="ADDRESS[:PORT]",
    help="Where the resolver reaches us, if not where the settings listen. Port 53 if none is given. Repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    program: str,
    rest: tuple[str, ...],
    config: str | None,
    zones: tuple[str, ...],
    given: tuple[str, ...],
    as_json: bool,
) -> None:
    """Read, plan, print."""
    if rest:
        refuse_words(rest, zones)
    reading = read_all(find_config(config), make_overrides(include=zones))
    if reading.errors:
        stderr = make_console(errors=True)
        print_problems(stderr, reading.errors)
        stderr.print(f"{count(len(reading.errors), 'error')}: nothing of this would be served", style="bold red")
        raise SystemExit(1)
    try:
        stanzas = make_stanzas(program, reading, given)
    except IntegrationError as error:
        raise click.ClickException(f"{escape_text(error.what)}; {error.hint}") from error
    if as_json:
        click.echo(json.dumps(_as_json(stanzas.configuration, stanzas.plan), indent=2 if sys.stdout.isatty() else None))
    else:
        click.echo("\n".join(stanzas.lines()))


def _as_json(configuration: Configuration, plan: Plan) -> dict[str, Any]:
    return {
        "program": configuration.program,
        "servers": [str(server) for server in plan.servers],
        "names": [
            {
                "name": format_name(route.name),
                "block": route.label,
                "delegated": not route.ours,
                "servers": [str(server) for server in route.servers],
            }
            for route in plan.routes
            if route not in configuration.left_out
        ],
        "pieces": [
            {"file": piece.file, "how": piece.how.splitlines(), "text": piece.text} for piece in configuration.pieces
        ],
        "notes": [{"what": note.what, "hint": note.hint} for note in configuration.notes],
    }
