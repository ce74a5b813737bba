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
from blackhole_guard.config.load import Overrides
from blackhole_guard.config.settings import ApiSettings, DoctorSettings
from blackhole_guard.reserved import registry
from blackhole_guard.server.privileges import User, acting_as
from blackhole_guard.store.snapshot import Snapshot, ZoneFacts

if TYPE_CHECKING:
    from blackhole_guard.api.known import ServedZones
    from blackhole_guard.leaks.leak_tops import SlidingTops
    from blackhole_guard.leaks.observed import Observed
    from blackhole_guard.leaks.tops import Tops
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


@dataclass(frozen=True, slots=True)
class ApiSource:
    """What is settled before the observer starts, for the API."""

    settings: ApiSettings
    config: str | None  # the settings file
    overrides: Overrides


def observe(
    board: Board,
    sockets: tuple[socket.socket, ...],
    open_newest: Callable[[], Snapshot],
    log: "Log",
    doctor: DoctorSettings,
    leaks: LeakSources,
    *,
    api: ApiSource | None = None,
) -> int:
    """Be the observer; returns the process's exit code. SIGTERM, which is blocked until then, ends its loop.

    Args:
        board: whose pages are shown.
        sockets: to serve HTTP on.
        open_newest: opens the snapshot that stands by now.
        log: for what goes wrong, and for resolvers that leak.
        doctor: whether, when and which resolvers are examined.
        leaks: where the observer is told of leaks.
        api: None: there is none.
    """
    with contextlib.suppress(OSError):  # a unit may forbid setpriority(2)
        os.nice(_NICENESS)  # before the imports: a worker may be starting just now
    from blackhole_guard.telemetry.light_libraries import import_lightly

    import_lightly()
    from blackhole_guard.telemetry.metrics import Build, Facts
    from blackhole_guard.telemetry.observer import ObserverContext, run_observer

    build = Build(__version__, platform.python_version(), registry.UPDATED)
    served = _ServedFacts(board, open_newest)
    facts = Facts(board.pages, board.control, build, served.read)
    told = _take_leak_sources(leaks, log)
    parts, reads, rounds = told.parts, told.reads, None
    if doctor.interval is not None:
        from blackhole_guard.app.rounds import Rounds

        rounds = Rounds(doctor, doctor.interval, board, open_newest, log)
        parts, reads = (*parts, rounds), (*reads, rounds.read)
    facts = replace(facts, observed=lambda: dict(chain.from_iterable(read().items() for read in reads)))
    made = None
    if api is not None:
        from blackhole_guard.app.api import make_api

        made = make_api(
            api,
            board,
            served.read_zones,
            tops=told.averted,
            observed=told.observed,
            rounds=rounds,
        )
    # The supervisor has tied this process to its own life already.
    return run_observer(ObserverContext(sockets, facts, log, parts, made))


@dataclass(slots=True)
class _Told:
    """What is told of leaks, and what keeps them."""

    parts: "tuple[Part, ...]" = ()  # what keeps observed leaks is closed last
    reads: "tuple[Callable[[], Mapping[str, Samples]], ...]" = ()  # their counts
    averted: "Tops | None" = None
    observed: "Observed[SlidingTops] | None" = None


def _take_leak_sources(leaks: LeakSources, log: "Log") -> _Told:
    """Make all that receives and keeps leaks."""
    told = _Told()
    if leaks.counts is not None:
        from blackhole_guard.app.tops import TopsKeeper

        tops = TopsKeeper(leaks.counts, leaks.state_dir, leaks.clients, log)
        told.parts, told.averted = (tops,), tops.tops
    sockets = leaks.sockets
    if sockets.dnstap is None and sockets.watch is None:
        return told
    from blackhole_guard.app.leak_keeper import LeakKeeper

    keeper = LeakKeeper(leaks.state_dir, leaks.clients, log)
    told.reads, told.observed = (keeper.read,), keeper.observed
    if sockets.dnstap is not None:
        from blackhole_guard.app.dnstap import Dnstap

        dnstap = Dnstap(sockets.dnstap, leaks.own_servers, keeper, log)
        told.parts, told.reads = (*told.parts, dnstap.receiver), (*told.reads, dnstap.read)
    if sockets.watch is not None:
        from blackhole_guard.app.leak_watch import LeakWatch

        watch = LeakWatch(sockets.watch, keeper, log)
        told.parts, told.reads = (*told.parts, watch.receiver), (*told.reads, watch.read)
    told.parts = (*told.parts, keeper)
    return told


def preload(user: User, *, with_rounds: bool, leaks: LeakSockets, api: bool) -> None:
    """Import what the observer needs, if this user could not.

    Args:
        user: whom this process becomes later.
        with_rounds: whether it examines resolvers, too.
        leaks: what evidence it receives.
        api: whether there is an API.
    """
    names = _LIBRARIES if leaks.dnstap is None else (*_LIBRARIES, "google.protobuf")
    files = [spec.origin for name in names if (spec := find_spec(name)) is not None and spec.origin is not None]
    with acting_as(user):
        if all(os.access(file, os.R_OK, effective_ids=True) for file in files):
            return
    from blackhole_guard.telemetry.light_libraries import import_lightly

    import_lightly()
    import blackhole_guard.app.tops
    import blackhole_guard.telemetry.observer  # for what it brings in, as the others

    if api:
        import blackhole_guard.app.api
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
        self._digest = ""
        self._zones: tuple[ZoneFacts, ...] = ()

    def read(self) -> "Served | None":
        """Say what is served, for the metrics; None: nothing yet."""
        from blackhole_guard.telemetry.metrics import Served

        return Served(self._digest, self._zones) if self._refresh() else None

    def read_zones(self) -> "ServedZones | None":
        """Say the same for the API."""
        from blackhole_guard.api.known import ServedZones

        return ServedZones(self._generation, self._digest, self._zones) if self._refresh() else None

    def _refresh(self) -> bool:
        """Read what has changed; returns whether anything is served."""
        generation = self._board.control.generation
        if generation != self._generation:
            snapshot = self._open_newest()
            try:
                self._digest, self._zones = snapshot.digest.hex(), snapshot.facts
            finally:
                snapshot.close()
            self._generation = generation
        return generation != 0
