"""The loader's process: waits for a change if it shall, loads, and reports as JSON.

Its code is imported before the fork, though it runs behind it: on disk it may be another version by then, or the user
whom the server has become may not be able to read it.
"""

import contextlib
import gc
import glob
import os
from collections.abc import Callable, Iterator
from time import sleep, time, time_ns

import msgspec

from blackhole_guard import loading
from blackhole_guard.config.digests import digest
from blackhole_guard.config.files import resolve_links
from blackhole_guard.config.load import Overrides, read_settings
from blackhole_guard.config.problems import Problem
from blackhole_guard.config.settings import Settings
from blackhole_guard.server import system
from blackhole_guard.server.loads import Begun, LoadRequest, Purpose
from blackhole_guard.server.processes import fork_child
from blackhole_guard.server.watch import await_change
from blackhole_guard.store.errors import StoreError
from blackhole_guard.store.snapshot import open_snapshot
from blackhole_guard.store.update import snapshot_path

_CLOCK_STEP = 20_000_000  # ns by which a file's time may lie behind the clock: a tick of the kernel, and some
_PATIENCE = 5.0  # seconds between loads of broken maps in a directory where others write all the time
# What is read at the start only (docs/configuration.md).
_SERVER = ("listen", "port", "workers", "user", "state_dir")
_FIXED = (*(f"server.{name}" for name in _SERVER), "telemetry", "leaks", "log")


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a loader tells the supervisor, the watcher after it, and `blackhole-guard reload`."""

    result: str
    text: str
    generation: int
    serving: bool
    watch: bool
    problems: tuple[Problem, ...] = ()
    zones: int = 0
    records: int = 0
    changes: int = 0
    seconds: float = 0.0
    files: tuple[str, ...] = ()  # that were read
    patterns: tuple[str, ...] = ()  # that more files may match
    fingerprint: str = ""  # of files and patterns as they were read; empty: they may have changed meanwhile


class Loader:
    """Loads, in children of the supervisor."""

    def __init__(self, config: str | None, overrides: Overrides, state_dir: str, started: Settings) -> None:
        """Prepare, in the supervisor.

        Args:
            config: the settings file; None: there is none.
            overrides: what replaces parts of it.
            state_dir: where the store is.
            started: the settings that the server started with; some count until its end.
        """
        self._config = config
        self._overrides = overrides
        self._state_dir = state_dir
        self._started = started

    def run(self, request: LoadRequest, begun: Begun) -> bytes:
        """Do what is asked, in the child; returns the report."""
        gc.freeze()  # what is shared with the supervisor need not be walked, and so copied
        known = msgspec.json.decode(request.known, type=Report) if request.known else None
        if request.purpose is Purpose.LOOK:
            report = self._look()
        else:
            if request.purpose is Purpose.WATCH:
                self._await_change(known)
                begun()
            report = self._load(request.force, known)
        return msgspec.json.encode(report)

    def _load(self, force: bool, known: Report | None) -> Report:
        # The process ends with the load, and a collector that walks the tables of all entries again and again takes a
        # tenth of its time: 3.66 s for a million entries of which 63 differ, 3.31 without. See python -m bench reloads
        gc.disable()
        start = time_ns()
        loaded = loading.load(self._config, self._overrides, self._state_dir, force=force, now=time)
        if loaded.result == "unchanged" and known is not None and known.generation != loaded.generation:
            # That one was killed before it could report: it had no CPU time, or another took its place.
            loaded = msgspec.structs.replace(loaded, result="loaded", text="what a load before this one wrote")
        settings, problems = read_settings(self._config, self._overrides)
        if any(problem.severity == "error" for problem in problems):
            watch = known.watch if known else self._started.server.watch
            text = loaded.text
        else:
            watch = settings.server.watch
            text = loaded.text + _describe_fixed(self._started, settings)
        return Report(
            result=loaded.result,
            text=text,
            generation=loaded.generation,
            serving=loaded.serving,
            watch=watch,
            problems=loaded.problems,
            zones=loaded.zones,
            records=loaded.records,
            changes=loaded.changes,
            seconds=loaded.seconds,
            files=loaded.files,
            patterns=loaded.patterns,
            fingerprint=_fingerprint(loaded.files, loaded.patterns, start),
        )

    def _look(self) -> Report:
        """Say what the store holds, after loads that died."""
        text = "the loader dies; see the log, and the memory that it may use"
        try:
            snapshot = open_snapshot(snapshot_path(self._state_dir))
        except StoreError:
            return Report("failed", text, 0, False, self._started.server.watch)
        try:
            records = sum(zone.records for zone in snapshot.facts)
            watch = self._started.server.watch
            return Report("failed", text, snapshot.generation, True, watch, zones=len(snapshot.facts), records=records)
        finally:
            snapshot.close()

    def _await_change(self, known: Report | None) -> None:
        files = known.files if known else (() if self._config is None else (self._config,))
        patterns = known.patterns if known else ()
        seen = known.fingerprint if known else ""
        if not seen:
            now = look_at(files, patterns)
            if _holds_in_child(lambda: self._is_loaded(files, patterns)):
                seen = now
            elif known and known.result not in ("loaded", "unchanged"):
                sleep(_PATIENCE)
        await_change(lambda: look_at(files, patterns), seen, sleep)

    def _is_loaded(self, files: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
        """Whether what stands in the files is what the store was made of."""
        settings, _ = read_settings(self._config, self._overrides)
        try:
            snapshot = open_snapshot(snapshot_path(self._state_dir))
        except StoreError:
            return False
        try:
            return snapshot.digest == loading.digest_sources(files, patterns, settings)
        finally:
            snapshot.close()


def _holds_in_child(check: Callable[[], bool]) -> bool:
    """Say what a check says. Its process ends with it: one that waits for a change shall not keep what that took."""
    parent = os.getpid()
    try:
        pid = fork_child("guard-loader", lambda: 0 if system.die_with_parent(parent) and check() else 1)
    except OSError:  # no memory, or too many processes: then here
        return check()
    return os.waitpid(pid, 0)[1] == 0


def look_at(files: tuple[str, ...], patterns: tuple[str, ...]) -> str:
    """Say what files and patterns look like from outside, in a form that goes into a report."""
    return digest(repr(loading.fingerprint(files, patterns)).encode()).hex()


def _fingerprint(files: tuple[str, ...], patterns: tuple[str, ...], start: int) -> str:
    """Say what files and patterns looked like when they were read; empty: they may have changed since.

    Which files there are, is known after they are read, so there is no look from before to compare with. The kernel
    sets the time of a change, so whatever was put in a file's place after `start`, or into its directory, shows.
    """
    look = look_at(files, patterns)
    end = time_ns() + _CLOCK_STEP  # what is from the future was written before the clock was set back
    places = {place for path in files for place in _places(path)}
    places.update(folder for pattern in patterns for folder in glob.glob(os.path.dirname(pattern)))
    times = (when for place in places for when in _change_times(place))
    return "" if any(start - _CLOCK_STEP <= when <= end for when in times) else look


def _places(path: str) -> tuple[str, ...]:
    """Where a change of a file's content may be seen: in itself, in a link on the way, in a directory that has one."""
    real = resolve_links(path)
    return path, os.path.dirname(path) or ".", real, os.path.dirname(real)


def _change_times(place: str) -> Iterator[int]:
    with contextlib.suppress(OSError):  # gone, or never there: that shows in the look
        yield os.stat(place).st_ctime_ns
        yield os.lstat(place).st_ctime_ns


def _describe_fixed(started: Settings, now: Settings) -> str:
    """Say which settings were changed that count at the start only; empty: none."""
    changed = [name for name in _FIXED if _get(started, name) != _get(now, name)]
    return f"; a restart is needed for {', '.join(changed)}" if changed else ""


def _get(settings: Settings, name: str) -> object:
    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value
