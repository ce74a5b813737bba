"""The supervisor: small and dull. Starts and restarts the others, follows signals, tells systemd.

A plain selector loop without threads or asyncio, so that it can fork at any time. It knows neither zones nor YAML nor
metrics: what its children do is handed to it. Everything that needs privileges is done before: it opens nothing.
"""

import gc
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from blackhole_guard.server import system
from blackhole_guard.server.control import Answer, ControlServer
from blackhole_guard.server.loads import LoadResult, Loads, RunLoader
from blackhole_guard.server.notify import Notifier
from blackhole_guard.server.poller import Poller
from blackhole_guard.server.processes import Signals, fork_child, reap
from blackhole_guard.server.respawn import Respawned
from blackhole_guard.server.roles import Board, FullLog
from blackhole_guard.server.slots import RunWorker, Slots
from blackhole_guard.server.sockets import HeldSockets
from blackhole_guard.server.statedir import StateDir

EXIT_STOPPED = 0
EXIT_NOTHING_TO_SERVE = 1  # the first load failed, and the store is empty
EXIT_ORPHANED = 1

_PATIENCE = 5.5  # seconds for the workers to finish; they take no more than 5
_TURN = 5.0  # seconds; nothing depends on it
_OBSERVER_DELAY = 5.0  # seconds at most until the observer is started: its imports must not hold up the first answer
_FIRST_TRIES = 3  # loads at the start that may die before the store is looked at
_PROBLEMS_SHOWN = 9  # log lines of one load, and one that says how many more: so none is suppressed
# How much rather than the supervisor a child is killed when memory is short, of 1000. The loader holds all sources.
_OOM = {"loader": 500, "observer": 300, "worker": 200}


@dataclass(frozen=True, slots=True)
class Crew:
    """All that the supervisor is handed. What `run_...` does happens in children."""

    held: HeldSockets
    state: StateDir
    control: ControlServer
    notifier: Notifier
    board: Board
    log: FullLog
    run_worker: RunWorker
    run_loader: RunLoader
    run_observer: Callable[[], int] | None  # unblocks SIGTERM when it can take it; None: there is none
    on_serving: Callable[[LoadResult], None]  # called once, when every worker serves
    leave: Callable[[], None]  # in a loader or observer: close what only workers need


class Supervisor:
    """The state of the running server."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._pid = os.getpid()
        self._poller = Poller()
        self._signals = Signals()
        self._loads = Loads(
            self._poller,
            lambda run, first: self._fork("loader", run, first=first),
            crew.run_loader,
            on_begin=self._on_load_begin,
            on_result=self._on_load,
            clock=monotonic,
        )
        self._slots = Slots(
            crew.held.slots,
            self._poller,
            lambda slot, run: self._fork("worker", run, slot),
            crew.run_worker,
            board=crew.board,
            log=crew.log,
            clock=monotonic,
        )
        self._observer = Respawned("observer", self._fork_observer, crew.log, monotonic)
        self._first_tries = 0
        self._started = False  # there is something to serve, and workers for it
        self._announced = False  # every worker has served
        self._stop_by: float | None = None  # when those that are left are killed
        self._exit_code = EXIT_STOPPED
        self._next_ping: float | None = None

    @property
    def last_load(self) -> LoadResult:
        """The result of the last load."""
        return self._loads.last

    def run(self) -> int:
        """Serve until told to stop; returns the process's exit code."""
        crew = self._crew
        self._poller.watch(self._signals, self._on_signals)
        crew.control.start(self._poller, self._on_reload)
        self._loads.ask()  # before the collection, which has time while the loader reads
        gc.collect()
        system.trim_memory()
        gc.freeze()  # the children's collectors need not walk, and so copy, what is shared with them
        if crew.run_observer is not None:
            self._observer.start(_OBSERVER_DELAY)
        try:
            while not self._is_over():
                self._turn()
        finally:
            self._close()
        return self._exit_code

    def _turn(self) -> None:
        """Wait until something is to be done, and do it."""
        now = monotonic()
        due = [
            self._loads.deadline(),
            self._slots.deadline(),
            self._observer.deadline(),
            self._next_ping,
            self._stop_by,
        ]
        self._poller.turn(min((when for when in due if when is not None), default=now + _TURN) - now)
        now = monotonic()
        self._slots.tick(now)
        self._loads.tick(now)
        self._observer.tick(now)
        self._crew.control.tick(now)
        if self._next_ping is not None and now >= self._next_ping:
            self._ping(now)
        if self._stop_by is not None and now >= self._stop_by:
            self._slots.kill()
            self._observer.kill()
            self._stop_by = now + _PATIENCE
        if self._stop_by is not None and not self._slots.pids:
            self._observer.stop()  # after the workers, so that it takes what they say at their end
        if not self._announced and self._started and self._slots.all_serving:
            self._announce(now)

    def _fork(
        self,
        kind: str,
        run: Callable[[], int],
        slot: int | None = None,
        *,
        first: Callable[[], None] | None = None,
        held: frozenset[signal.Signals] = frozenset(),
    ) -> int:
        """Fork a child that holds nothing of the supervisor's own, and dies with it."""

        def be_child() -> int:
            if not system.die_with_parent(self._pid):
                return EXIT_ORPHANED
            self._leave()
            if slot is None:
                self._crew.leave()
            return run()

        name = f"guard-{kind}" if slot is None else f"guard-worker-{slot}"
        return fork_child(name, be_child, _OOM[kind], first=first, held=held)

    def _fork_observer(self) -> int:
        assert self._crew.run_observer is not None
        # What workers have told is kept by an observer that is told to end before it has begun, too.
        return self._fork("observer", self._crew.run_observer, held=frozenset((signal.SIGTERM,)))

    def _leave(self) -> None:
        """In a child: close what is the supervisor's alone."""
        self._poller.close()
        self._signals.close()
        self._loads.leave()
        self._slots.leave()
        self._crew.control.leave()
        self._crew.notifier.close()
        self._crew.state.leave()

    def _on_signals(self) -> None:
        came = self._signals.take()
        if came & {signal.SIGTERM, signal.SIGINT}:
            # Before the dead are counted: who told us to end may have told our children, too.
            self._stop(EXIT_STOPPED)
        for child in reap():
            if not (self._slots.take_exit(child) or self._loads.take_exit(child)):
                self._observer.take_exit(child)
        if signal.SIGHUP in came:
            self._loads.ask()

    def _on_reload(self, force: bool, answer: Answer) -> None:
        self._loads.ask(force, answer)

    def _on_load_begin(self) -> None:
        if self._announced:
            self._crew.notifier.reloading()

    def _on_load(self, result: LoadResult) -> None:
        """Take the end of a load."""
        crew = self._crew
        crew.board.note_load(result.result, result.generation)
        say = crew.log.info if result.result in ("loaded", "unchanged") else crew.log.error
        say("load", result=result.result, text=result.text)
        if self._started or result.serving:
            self._log_problems(result)
        if self._announced:
            crew.notifier.ready(result.text)
        elif not self._started and self._stop_by is None:
            self._begin(result)

    def _log_problems(self, result: LoadResult) -> None:
        log = self._crew.log
        for problem in result.problems[:_PROBLEMS_SHOWN]:
            (log.error if problem.severity == "error" else log.warning)("source", problem=str(problem))
        if len(result.problems) > _PROBLEMS_SHOWN:
            more = len(result.problems) - _PROBLEMS_SHOWN
            log.warning("source", problem=f"and {more} more; `blackhole-guard check` shows all")

    def _begin(self, result: LoadResult) -> None:
        """After the first load: start the workers, or give up."""
        if result.serving:
            self._started = True
            self._slots.start()
        elif not result.reported and self._first_tries < _FIRST_TRIES:
            # Another may not die. The last one only says what the store holds.
            self._first_tries += 1
            if self._first_tries < _FIRST_TRIES:
                self._loads.ask()
            else:
                self._loads.look()
        else:
            self._stop(EXIT_NOTHING_TO_SERVE)

    def _announce(self, now: float) -> None:
        """Every worker serves: say so."""
        self._announced = True
        if self._crew.run_observer is not None:
            self._observer.start()
        result = self._loads.last
        self._crew.notifier.ready(result.text)
        self._crew.on_serving(result)
        if self._crew.notifier.watchdog_interval is not None:
            self._ping(now)

    def _ping(self, now: float) -> None:
        """Give a sign of life while there is one: without a worker that serves, systemd shall start us anew."""
        interval = self._crew.notifier.watchdog_interval
        assert interval is not None
        self._next_ping = now + interval
        if self._slots.serving:
            self._crew.notifier.alive()

    def _stop(self, exit_code: int) -> None:
        """Have everything end."""
        if self._stop_by is not None:
            self._stop_by = monotonic()  # asked twice: at once
            return
        self._exit_code = exit_code
        self._stop_by = monotonic() + _PATIENCE
        self._next_ping = None
        self._crew.notifier.stopping()
        self._crew.log.info("stopping")
        self._loads.stop()
        self._slots.stop()
        self._observer.retire()

    def _is_over(self) -> bool:
        return (
            self._stop_by is not None
            and not self._slots.pids
            and self._loads.pid is None
            and self._observer.pid is None
        )

    def _close(self) -> None:
        self._crew.control.close()
        self._poller.close()
        self._crew.held.close()
        self._crew.notifier.close()
        self._crew.state.close()
