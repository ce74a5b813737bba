"""`blackhole-guard reload`."""

import os
import sys

import click
import msgspec

from blackhole_guard.cli.running_server import find_state_dir
from blackhole_guard.cli.settings_options import DEFAULT_CONFIG
from blackhole_guard.config.problems import Problem, format_problem
from blackhole_guard.server.control import ControlError, ReloadRequest, ask_reload
from blackhole_guard.server.statedir import CONTROL
from blackhole_guard.wire.names import escape_text

_GOOD = ("loaded", "unchanged")


class Outcome(msgspec.Struct, frozen=True):
    """What is shown of a reply."""

    result: str
    text: str
    problems: tuple[Problem, ...] = ()


@click.command(
    help="Make the running server read its settings and maps again, and say how that went. "
    "The server is found by its state directory, which the settings name; a server without one is found if it is the "
    "only one of this user."
)
@click.option("--config", metavar="FILE", help=f"The settings file.  [default: {DEFAULT_CONFIG} if it is there]")
@click.option("--state-dir", metavar="DIR", help="The server's state directory.")
@click.option("--force", is_flag=True, help="Load even if most of the records would go (server.max_drop).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(config: str | None, state_dir: str | None, force: bool, as_json: bool) -> None:
    """Reload; exit code 0: loaded or unchanged, 1: failed, refused, or no server."""
    path = os.path.join(state_dir or find_state_dir(config), CONTROL)
    try:
        reply = ask_reload(path, ReloadRequest("reload", force))
        outcome = msgspec.json.decode(reply, type=Outcome)
    except (ControlError, msgspec.MsgspecError) as error:
        click.echo(escape_text(str(error)), err=True)
        sys.exit(1)
    if as_json:
        click.echo(msgspec.json.format(reply.strip()))
    else:
        for problem in outcome.problems:
            click.echo(escape_text(format_problem(problem)), err=True)
        click.echo(f"{outcome.result}: {escape_text(outcome.text)}")
    sys.exit(0 if outcome.result in _GOOD else 1)
