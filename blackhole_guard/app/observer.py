"""The observer's process: what it is handed to show.

aiohttp and prometheus_client are imported in the child, so that workers do not carry them; but before a change of user,
who may not be able to read them.
"""

import platform
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from blackhole_guard import __version__
from blackhole_guard.app.board import Board
from blackhole_guard.reserved import registry
from blackhole_guard.store.snapshot import Snapshot

if TYPE_CHECKING:
    from blackhole_guard.telemetry.logs import Log
    from blackhole_guard.telemetry.metrics import Served


def observe(board: Board, sockets: tuple[socket.socket, ...], open_newest: Callable[[], Snapshot], log: "Log") -> int:
    """Be the observer; returns the process's exit code.

    Args:
        board: whose pages are shown.
        sockets: to serve HTTP on.
        open_newest: opens the snapshot that stands by now.
        log: for what goes wrong.
    """
    from blackhole_guard.telemetry.metrics import Build, Facts
    from blackhole_guard.telemetry.observer import ObserverContext, run_observer

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    build = Build(__version__, platform.python_version(), registry.UPDATED)
    facts = Facts(board.pages, board.control, build, _ServedFacts(board, open_newest).read)
    # The supervisor has tied this process to its own life already.
    return run_observer(ObserverContext(sockets, facts, log))


def preload() -> None:
    """Import what the observer needs."""
    import blackhole_guard.telemetry.observer  # noqa: F401


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
