"""The `blackhole-guard` command: finds the module of the command that was asked for, and imports no other."""

import importlib
import sys
from typing import Any

import click

from blackhole_guard import __version__
from blackhole_guard.cli import standard_files

COMMANDS = {
    "serve": "Serve the reserved reverse zones.",
    "check": "Validate settings and maps; say what would be served.",
    "explain": "Say which zone, record or policy answers for an address or a name, and where it is written.",
    "query": "Ask a DNS server one question.",
    "top": "Show who causes leaks, averted or observed, and for which addresses.",
    "doctor": "Ask resolvers whether queries for reserved addresses leak there, and say what to change.",
    "reload": "Make the running server read its settings and maps again.",
    "integrate": "Print the lines that BIND, Unbound or another resolver needs to ask us.",
    "watch": "Show the leaks that pass this machine's interfaces, and report them to the server.",
    "scan": "Find the leaks in captures and query logs.",
    "version": "Print the version.",
}


class LazyCommands(click.Group):
    """A group whose commands live in modules of their own name: `serve` must not pay for the imports of `query`."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command to the end of the process; exit code 2 when what it has to say cannot be written."""
        standard_files.open_missing()
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            if not standard_files.is_of_output(error):
                raise
            standard_files.drop(1)
            try:
                click.echo(f"Error: cannot write: {error.strerror}", err=True)
            except OSError:
                standard_files.drop(2)
            sys.exit(2)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"blackhole_guard.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(__version__, message="blackhole-guard %(version)s")
def main() -> None:
    """Authoritative, never-recursing DNS server for the reserved reverse zones."""
