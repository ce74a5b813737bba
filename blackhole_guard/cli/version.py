"""`blackhole-guard version`."""

import json
import platform

import click

from blackhole_guard import __version__
from blackhole_guard.reserved import registry


@click.command(help="Print the version of the program, of Python and of the IANA registry that it serves.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """Print what a bug report needs to know."""
    facts = {"version": __version__, "python": platform.python_version(), "registry": registry.UPDATED}
    if as_json:
        click.echo(json.dumps(facts))
    else:
        click.echo(f"blackhole-guard {__version__} (Python {facts['python']}, IANA registry of {facts['registry']})")
