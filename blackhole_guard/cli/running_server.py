"""Which server runs here, for the commands that ask it something."""

import os
import sys
from collections.abc import Callable

import click

from blackhole_guard.cli.settings_options import find_config
from blackhole_guard.config.load import read_settings
from blackhole_guard.server.statedir import (
    UNIT_RUNTIME_DIR,
    UNIT_STATE_DIR,
    WATCH,
    find_running,
    find_systemd_dir,
    is_held,
)
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


def find_watch_sockets(config: str | None, state_dir: str | None) -> Callable[[], list[str]]:
    """Say where a server's socket for what `watch` sees may be.

    Args:
        config: the settings file, as given; None: that of the machine.
        state_dir: of the server, as given.
    Returns:
        What names the paths, the likeliest first; servers may come and go, so it is to be asked again.
    """
    if state_dir is not None:
        return lambda: [os.path.join(state_dir, WATCH)]
    settings, _ = read_settings(find_config(config))  # their mistakes are the server's to tell
    if settings.leaks.watch.socket is not None:
        path = settings.leaks.watch.socket
        return lambda: [path]
    own = [] if settings.server.state_dir is None else [settings.server.state_dir]
    fixed = [*own, UNIT_RUNTIME_DIR, UNIT_STATE_DIR]

    uid = os.geteuid()

    def find() -> list[str]:
        # Of private directories our own alone: whoever makes one in /tmp must not be told what this machine asks for.
        # Nor must who has the user that root has become since: it may be everybody's nobody.
        private = find_running(everybody=False) if os.geteuid() == uid else []
        return [os.path.join(directory, WATCH) for directory in (*fixed, *private)]

    return find
