"""The observer's process: what it is handed to show.

aiohttp and prometheus_client are imported in the child, so that workers do not carry them and the first answer does not
wait for them; but before a change to a user who may not read them.
"""

import contextlib
import os
import platform
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING

from blackhole_guard import __version__
from blackhole_guard.app.board import Board
from blackhole_guard.app.leak_sockets import LeakSockets
from blackhole_guard.app.own_servers import OwnServers
from blackhole_guard.config.settings import DoctorSettings
from blackhole_guard.reserved import registry
from blackhole_guard.server.privileges import User, acting_as
from blackhole_guard.store.snapshot import Snapshot

if TYPE_CHECKING:
    from blackhole_guard.telemetry.logs import Log
    from blackhole_guard.telemetry.metrics import Samples, Served
    from blackhole_guard.telemetry.observer import Part

# Where the CPUs are all busy, answers go before metrics: a worker gets three times the share of a flooded observer.
_NICENESS = 5
_LIBRARIES = ("aiohttp", "prometheus_client", "ssl")  # the last one stands for the standard library


@dataclass(frozen=True, slots=True)
class LeakSources:
    """What is settled before the observer starts, for leaks, averted and observed."""

    state_dir: str  # where what is known of them is kept
    clients: str  # the setting telemetry.tops.clients
    counts: socket.socket | None  # where workers tell of averted leaks; None: nobody wants to know who causes them
    sockets: LeakSockets  # where others tell of observed ones
    own_servers: OwnServers


def observe(
    board: Board,
    sockets: tuple[socket.socket, ...],
    open_newest: Callable[[], Snapshot],
    log: "Log",
    doctor: DoctorSettings,
    leaks: LeakSources,
) -> int:
    """Be the observer; returns the process's exit code. SIGTERM, which is blocked until then, ends its loop.

    Args:
        board: whose pages are shown.
        sockets: to serve HTTP on.
        open_newest: opens the snapshot that stands by now.
        log: for what goes wrong, and for resolvers that leak.
        doctor: whether, when and which resolvers are examined.
        leaks: where the observer is told of leaks.
    """
    with contextlib.suppress(OSError):  # a unit may forbid setpriority(2)
        os.nice(_NICENESS)  # before the imports: a worker may be starting just now
    from blackhole_guard.telemetry.metrics import Build, Facts
    from blackhole_guard.telemetry.observer import ObserverContext, run_observer

    build = Build(__version__, platform.python_version(), registry.UPDATED)
    facts = Facts(board.pages, board.control, build, _ServedFacts(board, open_newest).read)
    parts, reads = _make_leak_parts(leaks, log)
    if doctor.interval is not None:
        from blackhole_guard.app.rounds import Rounds

        rounds = Rounds(doctor, doctor.interval, board, open_newest, log)
        parts, reads = (*parts, rounds), (*reads, rounds.read)
    facts = replace(facts, observed=lambda: dict(chain.from_iterable(read().items() for read in reads)))
    # The supervisor has tied this process to its own life already.
    return run_observer(ObserverContext(sockets, facts, log, parts))


def _make_leak_parts(
    leaks: LeakSources, log: "Log"
) -> tuple[tuple["Part", ...], tuple[Callable[[], "Mapping[str, Samples]"], ...]]:
    """Make what is told of leaks, and what keeps them: that is closed last. And what reads their counts."""
    parts: list[Part] = []
    if leaks.counts is not None:
        from blackhole_guard.app.tops import TopsKeeper

        parts.append(TopsKeeper(leaks.counts, leaks.state_dir, leaks.clients, log))
    sockets = leaks.sockets
    if sockets.dnstap is None and sockets.watch is None:
        return tuple(parts), ()
    from blackhole_guard.app.leak_keeper import LeakKeeper

    keeper = LeakKeeper(leaks.state_dir, leaks.clients, log)
    reads: list[Callable[[], Mapping[str, Samples]]] = [keeper.read]
    if sockets.dnstap is not None:
        from blackhole_guard.app.dnstap import Dnstap

        dnstap = Dnstap(sockets.dnstap, leaks.own_servers, keeper, log)
        parts.append(dnstap.receiver)
        reads.append(dnstap.read)
    if sockets.watch is not None:
        from blackhole_guard.app.leak_watch import LeakWatch

        watch = LeakWatch(sockets.watch, keeper, log)
        parts.append(watch.receiver)
        reads.append(watch.read)
    return (*parts, keeper), tuple(reads)


def preload(user: User, *, with_rounds: bool, leaks: LeakSockets) -> None:
    """Import what the observer needs, if this user could not.

    Args:
        user: whom this process becomes later.
        with_rounds: whether it examines resolvers, too.
        leaks: what evidence it receives.
    """
    names = _LIBRARIES if leaks.dnstap is None else (*_LIBRARIES, "google.protobuf")
    files = [spec.origin for name in names if (spec := find_spec(name)) is not None and spec.origin is not None]
    with acting_as(user):
        if all(os.access(file, os.R_OK, effective_ids=True) for file in files):
            return
    import blackhole_guard.app.tops
    import blackhole_guard.telemetry.observer  # for what it brings in, as the others

    if with_rounds:
        import blackhole_guard.app.rounds
    if leaks.watch is not None:
        import blackhole_guard.app.leak_watch
    if leaks.dnstap is not None:
        import blackhole_guard.app.dnstap  # noqa: F401  # the same


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
