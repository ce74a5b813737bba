"""Loads: one loader process at a time, and what is asked for meanwhile is one more load.

A loader is forked, does what the request says, sends its report through a pipe and ends. With `watch`, a loader is
forked ahead, waits for a change and then loads; a load that is asked for takes its place. A loader that dies, hangs or
reports nonsense is a failed load: what is served stays. Once something is served, a load yields to all other processes.
"""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Literal

import msgspec

from blackhole_guard.config.problems import Problem
from blackhole_guard.server.backoff import Backoff
from blackhole_guard.server.control import Answer
from blackhole_guard.server.poller import Poller
from blackhole_guard.server.priority import be_modest, seconds_waited, yield_to_all
from blackhole_guard.server.processes import Exit, kill_child

LONGEST = 600.0  # seconds for a load; a million entries take some 20
_LOOK = 1.0  # seconds between two looks at how a loader that yields gets on
_STARVED = 10.0  # seconds that it may wait for a CPU in all
_LARGEST = 64 * 1024 * 1024  # octets of a report
_BEGUN = b"!"  # before the report: the loader now reads the sources


class LoadResult(msgspec.Struct, frozen=True):
    """What the supervisor must know of a load's report; the rest of it is for those who asked."""

    result: Literal["loaded", "unchanged", "failed", "refused"]
    text: str  # one line for people
    generation: int = 0  # the snapshot to serve; 0: there is none
    serving: bool = False  # is there a snapshot to serve
    watch: bool = False  # shall the files be watched from now on
    zones: int = 0
    records: int = 0
    problems: tuple[Problem, ...] = ()
    reported: bool = True  # False: the loader died, so this is all that is known


class Purpose(Enum):
    """What a loader is for."""

    LOAD = auto()
    WATCH = auto()  # wait for a change, then load
    LOOK = auto()  # only say what the store holds


class Pace(Enum):
    """What a loader gets of CPUs that others want, too."""

    AT_ONCE = auto()  # its share: nothing is served yet
    YIELDING = auto()  # what nobody else wants
    MODEST = auto()  # a small share, because it had none


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What a loader shall do. Made in the supervisor, read in the child."""

    purpose: Purpose = Purpose.LOAD
    force: bool = False
    known: bytes = b""  # the last report: it says which files to watch
    pace: Pace = Pace.AT_ONCE


Begun = Callable[[], None]
RunLoader = Callable[
    [LoadRequest, Begun], bytes
]  # in the child; calls Begun when it begins to read, returns its report
# Forks a loader, which calls the second function at once and then runs the first one; returns its process id.
Fork = Callable[[Callable[[], int], Callable[[], None] | None], int]
_PACES: Mapping[Pace, Callable[[], None] | None] = {
    Pace.AT_ONCE: None,
    Pace.YIELDING: yield_to_all,
    Pace.MODEST: be_modest,
}


@dataclass(slots=True)
class _Running:
    """The loader that runs."""

    pid: int
    pipe: int
    request: LoadRequest
    answers: list[Answer]
    started: float
    deadline: float | None  # None: it waits for a change
    octets: bytearray = field(default_factory=bytearray)
    replaced: bool = False  # it was killed for a load that was asked for
    starved: bool = False  # it was killed to begin anew at another pace
    waited: float = 0.0  # seconds for a CPU before it began
    look_at: float | None = None  # when to see how it gets on; None: it waits for a change, or does not yield


class Loads:
    """Runs the loaders."""

    def __init__(
        self,
        poller: Poller,
        fork: Fork,
        run_loader: RunLoader,
        *,
        on_begin: Callable[[], None],
        on_result: Callable[[LoadResult], None],
        clock: Callable[[], float],
    ) -> None:
        """Begin with none.

        Args:
            poller: the supervisor's.
            fork: starts a child of the supervisor.
            run_loader: what a loader does.
            on_begin: called when sources begin to be read.
            on_result: called at the end of each load, before those who asked are answered.
            clock: monotonic seconds.
        """
        self._poller = poller
        self._fork = fork
        self._run_loader = run_loader
        self._on_begin = on_begin
        self._on_result = on_result
        self._clock = clock
        self._running: _Running | None = None
        self._asked: tuple[bool, list[Answer]] | None = None  # the next load: force, who waits for it
        self._known = b""
        self._last = LoadResult("failed", "nothing was loaded yet")
        self._watch_at: float | None = None
        self._backoff = Backoff()
        self._stopped = False

    @property
    def last(self) -> LoadResult:
        """The result of the last load."""
        return self._last

    @property
    def pid(self) -> int | None:
        """The loader's process id; None: there is none."""
        return self._running.pid if self._running else None

    def ask(self, force: bool = False, answer: Answer | None = None) -> None:
        """Ask for a load; several that wait for the one that runs are one."""
        forced, answers = self._asked or (False, [])
        self._asked = (force or forced, [*answers, answer] if answer else answers)
        self._go_on()

    def look(self) -> None:
        """Ask what the store holds, without reading any sources."""
        self._start(LoadRequest(Purpose.LOOK))

    def deadline(self) -> float | None:
        """When to call `tick` again; monotonic seconds."""
        if self._running:
            due = [when for when in (self._running.deadline, self._running.look_at) if when is not None]
            return min(due, default=None)
        return self._watch_at

    def tick(self, now: float) -> None:
        """Do what is due."""
        running = self._running
        if running and running.deadline is not None and now >= running.deadline:
            kill_child(running.pid, signal.SIGKILL)
        elif running and running.look_at is not None and now >= running.look_at:
            self._look(running, now)
        elif not running and not self._stopped and self._watch_at is not None and now >= self._watch_at:
            self._start(self._make_request(Purpose.WATCH))

    def take_exit(self, child: Exit) -> bool:
        """Take the end of a child, if it is the loader's; returns whether it was."""
        running = self._running
        if running is None or running.pid != child.pid:
            return False
        self._running = None
        if running.starved and not (running.replaced or self._stopped):
            self._drop(running)
            force = running.request.force
            self._start(LoadRequest(Purpose.LOAD, force, self._known, Pace.MODEST), running.answers)
        elif running.replaced or self._stopped:
            self._drop(running)
            self._go_on()
        else:
            self._finish(running, child, self._clock())
        return True

    def leave(self) -> None:
        """In a child: close what is the supervisor's."""
        if self._running:
            os.close(self._running.pipe)

    def stop(self) -> None:
        """Load no more. Killing a loader is safe: a snapshot has its name when it is whole, and not before."""
        self._stopped = True
        if self._running:
            kill_child(self._running.pid, signal.SIGKILL)

    def _go_on(self) -> None:
        """Start what was asked for; a loader that only waits for a change makes room for it."""
        running = self._running
        if self._asked is None or self._stopped:
            return
        if running is None:
            force, answers = self._asked
            self._asked = None
            self._start(self._make_request(Purpose.LOAD, force), answers)
        elif running.request.purpose is Purpose.WATCH and not running.replaced:
            running.replaced = True  # whatever it has begun, its successor does, too
            kill_child(running.pid, signal.SIGKILL)

    def _make_request(self, purpose: Purpose, force: bool = False) -> LoadRequest:
        """Make a request; a load yields once something is served."""
        return LoadRequest(purpose, force, self._known, Pace.YIELDING if self._last.serving else Pace.AT_ONCE)

    def _look(self, running: _Running, now: float) -> None:
        """See whether a loader that yields gets any further; one that does not is begun anew at another pace."""
        running.look_at = now + _LOOK
        if not running.starved and seconds_waited(running.pid) - running.waited > _STARVED:
            running.starved = True
            kill_child(running.pid, signal.SIGKILL)

    def _drop(self, running: _Running) -> None:
        """Let go of a loader that ended and whose report does not count."""
        self._poller.forget(running.pipe)
        os.close(running.pipe)

    def _start(self, request: LoadRequest, answers: list[Answer] | None = None) -> None:
        self._watch_at = None
        now = self._clock()
        try:
            pid, reader = self._fork_loader(request)
        except OSError as error:  # no memory, no descriptors, or too many processes
            result = self._fail(f"no loader could be started: {error.strerror}")
            self._settle(result, b"", answers or [], self._backoff.next_start(now, now))
            return
        self._running = running = _Running(pid, reader, request, answers or [], now, None)
        self._poller.watch(reader, lambda: self._read(running))
        if request.purpose is not Purpose.WATCH:
            self._note_begin(running)

    def _fork_loader(self, request: LoadRequest) -> tuple[int, int]:
        """Fork a loader; returns its process id, and where its report will come. Raises OSError."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)

        def run() -> int:
            os.close(reader)
            with os.fdopen(writer, "wb") as pipe:

                def begin() -> None:
                    pipe.write(_BEGUN)
                    pipe.flush()

                pipe.write(self._run_loader(request, begin))
            return 0

        try:
            return self._fork(run, _PACES[request.pace]), reader
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)

    def _read(self, running: _Running) -> None:
        """Read what there is of the report."""
        try:
            while octets := os.read(running.pipe, 1 << 20):
                self._take(running, octets)
        except BlockingIOError:
            return
        self._poller.forget(running.pipe)  # at its end it would be readable for ever

    def _take(self, running: _Running, octets: bytes) -> None:
        before = len(running.octets)
        running.octets += octets
        if not before and octets.startswith(_BEGUN) and running.deadline is None:
            self._note_begin(running)
        if len(running.octets) > _LARGEST:
            kill_child(running.pid, signal.SIGKILL)

    def _note_begin(self, running: _Running) -> None:
        """Note that a loader reads the sources from now on."""
        now = self._clock()
        running.deadline = now + LONGEST
        if running.request.pace is Pace.YIELDING:
            running.look_at, running.waited = now + _LOOK, seconds_waited(running.pid)
        if running.request.purpose is not Purpose.LOOK and running.request.pace is not Pace.MODEST:
            self._on_begin()

    def _finish(self, running: _Running, child: Exit, now: float) -> None:
        """Take the outcome of a loader that ended."""
        self._read(running)
        self._poller.forget(running.pipe)
        os.close(running.pipe)
        report = bytes(running.octets.removeprefix(_BEGUN))
        try:
            result = msgspec.json.decode(report, type=LoadResult)
        except msgspec.MsgspecError:
            over = " (it took too long)" if running.deadline is not None and now >= running.deadline else ""
            result = self._fail(f"the loader ended without a report: {child}{over}")
            self._settle(result, b"", running.answers, self._backoff.next_start(running.started, now))
        else:
            self._settle(result, report, running.answers, now)

    def _settle(self, result: LoadResult, report: bytes, answers: list[Answer], next_watch: float) -> None:
        """Pass an outcome on, and go on to what is next."""
        self._last = result
        self._known = report or self._known
        self._on_result(result)
        for answer in answers:
            answer(report or msgspec.json.encode(result))
        if result.watch:
            self._watch_at = next_watch
        self._go_on()

    def _fail(self, text: str) -> LoadResult:
        last = self._last
        return LoadResult(
            "failed", text, last.generation, last.serving, last.watch, last.zones, last.records, reported=False
        )
