"""Which server runs here, for the commands that ask it something."""

import os
import sys

import click

from blackhole_guard.cli.settings_options import find_config
from blackhole_guard.config.load import read_settings
from blackhole_guard.server.statedir import UNIT_STATE_DIR, find_running, find_systemd_dir, is_held
from blackhole_guard.wire.names import escape_text


def find_state_dir(config: str | None) -> str:
    """Name the running server's state directory; ends the program when it cannot be told."""
    settings, problems = read_settings(find_config(config))
    if settings.server.state_dir is not None:
        return settings.server.state_dir
    for path in (find_systemd_dir(os.environ), UNIT_STATE_DIR):
        if path is not None and is_held(path):
            return path
    for problem in problems:  # they may be why there is none, and the server says them again
        if problem.severity == "error":
            click.echo(str(problem), err=True)
    running = find_running()
    if len(running) == 1:
        return running[0]
    if not running:
        click.echo(
            "no server of this user runs without a state directory; name it by --state-dir or --config", err=True
        )
    else:
        click.echo("several servers run; name one by --state-dir:", err=True)
        for path in running:
            click.echo(f"  {escape_text(path)}", err=True)
    sys.exit(1)
