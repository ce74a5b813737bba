"""The observer's process: what it is handed to show.

aiohttp and prometheus_client are imported in the child, so that workers do not carry them and the first answer does not
wait for them; but before a change to a user who may not read them.
"""

import contextlib
import os
import platform
import signal
import socket
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from blackhole_guard import __version__
from blackhole_guard.app.board import Board
from blackhole_guard.reserved import registry
from blackhole_guard.server.privileges import User, acting_as
from blackhole_guard.store.snapshot import Snapshot

if TYPE_CHECKING:
    from blackhole_guard.telemetry.logs import Log
    from blackhole_guard.telemetry.metrics import Served

# Where the CPUs are all busy, answers go before metrics: a worker gets three times the share of a flooded observer.
_NICENESS = 5
_LIBRARIES = ("aiohttp", "prometheus_client", "ssl")  # the last one stands for the standard library


def observe(board: Board, sockets: tuple[socket.socket, ...], open_newest: Callable[[], Snapshot], log: "Log") -> int:
    """Be the observer; returns the process's exit code.

    Args:
        board: whose pages are shown.
        sockets: to serve HTTP on.
        open_newest: opens the snapshot that stands by now.
        log: for what goes wrong.
    """
    with contextlib.suppress(OSError):  # a unit may forbid setpriority(2)
        os.nice(_NICENESS)  # before the imports: a worker may be starting just now
    from blackhole_guard.telemetry.metrics import Build, Facts
    from blackhole_guard.telemetry.observer import ObserverContext, run_observer

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    build = Build(__version__, platform.python_version(), registry.UPDATED)
    facts = Facts(board.pages, board.control, build, _ServedFacts(board, open_newest).read)
    # The supervisor has tied this process to its own life already.
    return run_observer(ObserverContext(sockets, facts, log))


def preload(user: User) -> None:
    """Import what the observer needs, if this user could not."""
    files = [spec.origin for name in _LIBRARIES if (spec := find_spec(name)) is not None and spec.origin is not None]
    with acting_as(user):
        if all(os.access(file, os.R_OK, effective_ids=True) for file in files):
            return
    import blackhole_guard.telemetry.observer  # noqa: F401  # for what it brings in


class _ServedFacts:
    """Keeps what is known of the served zones, and reads it anew when another generation is in force."""

    def __init__(self, board: Board, open_newest: Callable[[], Snapshot]) -> None:
        self._board = board
        self._open_newest = open_newest
        self._generation = 0
        self._served: Served | None = None

    def read(self) -> "Served | None":
        """Say what is served; None: nothing yet."""
        from blackhole_guard.telemetry.metrics import Served

        generation = self._board.control.generation
        if generation != self._generation:
            snapshot = self._open_newest()
            try:
                self._served = Served(snapshot.digest.hex(), tuple(snapshot.facts))
            finally:
                snapshot.close()
            self._generation = generation
        return self._served
