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
from blackhole_guard.app.own_servers import OwnServers
from blackhole_guard.config.settings import DoctorSettings, TopsSettings
from blackhole_guard.reserved import registry
from blackhole_guard.server.privileges import User, acting_as
from blackhole_guard.store.snapshot import Snapshot

if TYPE_CHECKING:
    from blackhole_guard.telemetry.logs import Log
    from blackhole_guard.telemetry.metrics import Samples, Served

# Where the CPUs are all busy, answers go before metrics: a worker gets three times the share of a flooded observer.
_NICENESS = 5
_LIBRARIES = ("aiohttp", "prometheus_client", "ssl")  # the last one stands for the standard library


@dataclass(frozen=True, slots=True)
class Dnstap:
    """What is settled before the observer starts, for receiving dnstap."""

    listener: socket.socket
    uids: frozenset[int]  # whose processes may send
    limit: int  # producers
    own_servers: OwnServers


@dataclass(frozen=True, slots=True)
class TopsSource:
    """What is settled before the observer starts, for the tops of averted leaks."""

    counts: socket.socket  # where workers tell of averted leaks
    state_dir: str  # where the tops are kept
    settings: TopsSettings


def observe(
    board: Board,
    sockets: tuple[socket.socket, ...],
    open_newest: Callable[[], Snapshot],
    log: "Log",
    doctor: DoctorSettings,
    dnstap: Dnstap | None = None,
    tops: TopsSource | None = None,
) -> int:
    """Be the observer; returns the process's exit code. SIGTERM, which is blocked until then, ends its loop.

    Args:
        board: whose pages are shown.
        sockets: to serve HTTP on.
        open_newest: opens the snapshot that stands by now.
        log: for what goes wrong, and for resolvers that leak.
        doctor: whether, when and which resolvers are examined.
        dnstap: None: nobody sends any.
        tops: None: nobody wants to know who causes averted leaks.
    """
    with contextlib.suppress(OSError):  # a unit may forbid setpriority(2)
        os.nice(_NICENESS)  # before the imports: a worker may be starting just now
    from blackhole_guard.telemetry.metrics import Build, Facts
    from blackhole_guard.telemetry.observer import ObserverContext, Part, run_observer

    build = Build(__version__, platform.python_version(), registry.UPDATED)
    facts = Facts(board.pages, board.control, build, _ServedFacts(board, open_newest).read)
    parts: tuple[Part, ...] = ()
    reads: tuple[Callable[[], Mapping[str, Samples]], ...] = ()
    if doctor.interval is not None:
        from blackhole_guard.app.rounds import Rounds

        rounds = Rounds(doctor, doctor.interval, board, open_newest, log)
        parts, reads = (*parts, rounds), (*reads, rounds.read)
    if dnstap is not None:
        from blackhole_guard.app.leak_watch import LeakWatch

        watch = LeakWatch(dnstap.listener, dnstap.uids, dnstap.limit, dnstap.own_servers, log)
        parts, reads = (*parts, watch.receiver), (*reads, watch.read)
    if tops is not None:
        from blackhole_guard.app.tops import TopsKeeper

        parts = (*parts, TopsKeeper(tops.counts, tops.state_dir, tops.settings.clients, log))
    facts = replace(facts, observed=lambda: dict(chain.from_iterable(read().items() for read in reads)))
    # The supervisor has tied this process to its own life already.
    return run_observer(ObserverContext(sockets, facts, log, parts))


def preload(user: User, *, with_rounds: bool = False, dnstap: bool = False) -> None:
    """Import what the observer needs, if this user could not.

    Args:
        user: whom this process becomes later.
        with_rounds: whether it examines resolvers, too.
        dnstap: whether dnstap is received.
    """
    names = (*_LIBRARIES, "google.protobuf") if dnstap else _LIBRARIES
    files = [spec.origin for name in names if (spec := find_spec(name)) is not None and spec.origin is not None]
    with acting_as(user):
        if all(os.access(file, os.R_OK, effective_ids=True) for file in files):
            return
    import blackhole_guard.app.tops
    import blackhole_guard.telemetry.observer  # for what it brings in, as the others

    if with_rounds:
        import blackhole_guard.app.rounds
    if dnstap:
        import blackhole_guard.app.leak_watch  # noqa: F401  # the same


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
