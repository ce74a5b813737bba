"""A load: sources become zones, zones become the snapshot, and a report says how it went.

Runs in a process of its own, which ends with it. Whatever is wrong with the sources or the state directory is told in
the report; what is served stays, unless a whole new snapshot has taken its place.
"""

import os
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from blackhole_guard import __version__
from blackhole_guard.config.digests import SIZE, begin_digest, digest
from blackhole_guard.config.files import read_file, resolve_links
from blackhole_guard.config.load import Overrides, read_settings
from blackhole_guard.config.problems import Place, Problem, ValueProblem
from blackhole_guard.config.settings import Settings
from blackhole_guard.sources.load import load_sources
from blackhole_guard.sources.patterns import match_pattern
from blackhole_guard.store.content import Content, StoredCut, StoredZone
from blackhole_guard.store.difference import ZoneChange
from blackhole_guard.store.difference import compare as compare_content
from blackhole_guard.store.errors import StoreError
from blackhole_guard.store.keys import make_key, owner_of
from blackhole_guard.store.snapshot import Snapshot, open_snapshot
from blackhole_guard.store.snapshot_file import FORMAT, check_snapshot_file
from blackhole_guard.store.update import (
    Origin,
    Store,
    Update,
    apply_update,
    open_store,
    plan_update,
    snapshot_path,
)
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import escape_text, format_name
from blackhole_guard.wire.values import read_value
from blackhole_guard.zones.build import build_zones
from blackhole_guard.zones.zone_set import Cut, Zone, ZoneSet

_RUN = 1 << 12  # rows that are made at once
Clock = Callable[[], float]


class LoadReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a load went."""

    result: Literal["loaded", "unchanged", "failed", "refused"]
    text: str  # one line for people
    generation: int = 0  # of the snapshot that stands; 0: there is none
    serving: bool = False  # is there a snapshot to serve
    problems: tuple[Problem, ...] = ()  # errors and warnings, sorted by place
    zones: int = 0  # that the snapshot holds
    records: int = 0  # PTRs in them
    changes: int = 0  # records that differ from what was served before
    seconds: float = 0.0
    files: tuple[str, ...] = ()  # that were read, or could not be
    patterns: tuple[str, ...] = ()  # absolute, that more files may match


def load(
    config_path: str | None, overrides: Overrides | None, state_dir: str, *, force: bool, now: Clock
) -> LoadReport:
    """Bring what is served up to date with the sources.

    Args:
        config_path: of the settings file; None: there is none.
        overrides: replace parts of it.
        state_dir: where the store is; it exists, and no other process writes to it.
        force: load what loses more records than `server.max_drop` allows, and what is unchanged.
        now: unix seconds.
    """
    started = time.monotonic()
    try:
        store = open_store(state_dir)
    except StoreError as error:
        return _report_closed(state_dir, error)
    try:
        report = _Load(config_path, overrides, store, force=force, now=now).run()
    finally:
        store.close()
    return msgspec.structs.replace(report, seconds=round(time.monotonic() - started, 3))


def _report_closed(state_dir: str, error: StoreError) -> LoadReport:
    """Report that the store cannot be opened for writing; what it holds may be served all the same."""
    problems = (Problem(Place(escape_text(state_dir)), str(error), "see that it is ours to write, and has space"),)
    path = snapshot_path(state_dir)
    try:
        check_snapshot_file(path, deeply=True)
        snapshot = open_snapshot(path)
    except StoreError:
        return LoadReport("failed", str(error), problems=problems)
    try:
        return LoadReport(
            "failed",
            f"{error}; the old zones are served",
            generation=snapshot.generation,
            serving=True,
            problems=problems,
            zones=len(snapshot.zones),
            records=_count_records(snapshot),
        )
    finally:
        snapshot.close()


class _Load:
    """One load, from the sources to the report."""

    def __init__(
        self, config_path: str | None, overrides: Overrides | None, store: Store, *, force: bool, now: Clock
    ) -> None:
        self._config_path = config_path
        self._overrides = overrides
        self._store = store
        self._force = force
        self._now = now
        self._problems = [_place_warning(store.directory, warning) for warning in store.warnings]
        self._files: tuple[str, ...] = ()
        self._patterns: tuple[str, ...] = ()

    def run(self) -> LoadReport:
        settings, said = read_settings(self._config_path, self._overrides)
        state = self._store.journal.state
        if not (self._force or _has_errors(said)) and self._is_current(settings):
            self._files, self._patterns = state.files, state.patterns
            self._problems.extend(said)
            return self._report("unchanged", "the sources are what they were")
        sources, of_maps = load_sources(self._config_path, settings, self._overrides)
        zones, of_zones = build_zones(sources, settings)
        self._files, self._patterns = tuple(sources.files), sources.patterns
        self._problems.extend({*said, *of_maps, *of_zones})
        if errors := sum(problem.severity == "error" for problem in self._problems):
            return self._report("failed", f"{_count(errors, 'error')} in the sources{self._describe_standing()}")
        origin = Origin(_digest(sources.files, settings), tuple(sources.files), sources.patterns)
        return self._write(zones, settings, origin)

    def _is_current(self, settings: Settings) -> bool:
        """Whether the snapshot was made of the sources as they are; only reads the files that it was made of."""
        state = self._store.journal.state
        return self._store.consistent and state.digest == digest_sources(state.files, state.patterns, settings)

    def _write(self, zones: ZoneSet, settings: Settings, origin: Origin) -> LoadReport:
        content = make_content(zones)
        update = plan_update(self._store, content, self._now())
        if (refusal := self._find_refusal(update, settings.server.max_drop)) is not None:
            return self._report("refused", refusal)
        self._warn_of_serials(update, zones)
        attachment = msgspec.json.encode(settings.server)
        try:
            generation = apply_update(self._store, update, origin, attachment, self._now())
        except StoreError as error:
            place = Place(escape_text(self._store.directory))
            self._problems.append(Problem(place, str(error), "see that it is ours to write, and has space"))
            return self._report("failed", f"{error}{self._describe_standing()}")
        changes = content.records if update.difference is None else update.difference.changes
        text = f"{_count(len(content.zones), 'zone')}, {_count(content.records, 'record')}, {_count(changes, 'change')}"
        report = self._report("loaded", text)
        return msgspec.structs.replace(
            report,
            generation=generation,
            serving=True,
            zones=len(content.zones),
            records=content.records,
            changes=changes,
        )

    def _report(self, result: Literal["loaded", "unchanged", "failed", "refused"], text: str) -> LoadReport:
        """Report with what stands in the store from before."""
        snapshot = self._store.snapshot
        return LoadReport(
            result=result,
            text=text,
            generation=snapshot.generation if snapshot else 0,
            serving=snapshot is not None,
            problems=tuple(sorted(self._problems)),
            zones=len(snapshot.zones) if snapshot else 0,
            records=_count_records(snapshot) if snapshot else 0,
            files=self._files,
            patterns=self._patterns,
        )

    def _describe_standing(self) -> str:
        return "; the old zones are served" if self._store.snapshot is not None else "; there are no zones to serve"

    def _find_refusal(self, update: Update, max_drop: int) -> str | None:
        """Say why an update loses too much; None: it does not."""
        snapshot = self._store.snapshot
        if self._force or snapshot is None or update.difference is None:
            return None
        served, lost = _count_records(snapshot), update.difference.lost
        if lost * 100 <= served * max_drop:
            return None
        return (
            f"{lost} of {_count(served, 'record')} would go, more than server.max_drop allows ({max_drop} %); "
            "the old zones are served; load with --force if this is meant"
        )

    def _warn_of_serials(self, update: Update, zones: ZoneSet) -> None:
        for zone in update.stale:
            what = f"{zone.label} changed, but the serial that its map gives did not: secondaries will not notice"
            self._warn(zones.zones[zone.apex], what, "give it a larger `serial`, or none: then it moves by itself")
        for zone in update.backward:
            what = f"the serial that the map of {zone.label} gives is not newer than the one before (RFC 1982)"
            self._warn(zones.zones[zone.apex], what, "give it a larger `serial`, or transfer it to each secondary anew")

    def _warn(self, zone: Zone, what: str, hint: str) -> None:
        assert zone.place is not None  # a built-in zone is given no serial
        self._problems.append(Problem(zone.place, what, hint, "warning"))


def _place_warning(directory: str, warning: str) -> Problem:
    return Problem(Place(escape_text(directory)), warning, "it is built anew from the sources", "warning")


def _has_errors(problems: Iterable[Problem]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _count_records(snapshot: Snapshot) -> int:
    return sum(zone.records for zone in snapshot.zones)


def make_content(zones: ZoneSet) -> Content:
    """Put zones into the shape that the store takes."""
    pieces: dict[bytes, list[tuple[bytes, bytes]]] = {apex: [] for apex in zones.zones}
    for segment in zones.segments:
        pieces[segment.apex].append((make_key(segment.first), make_key(segment.last)))
    return Content(
        zones=tuple(
            StoredZone(
                apex=zone.apex,
                label=zone.label,
                block=zone.ledger,
                mapped=zone.mapped,
                serial=zone.serial,
                soa=zone.soa,
                ns=zone.ns,
                records=zone.records,
                pieces=tuple(pieces[zone.apex]),
            )
            for zone in zones.zones.values()
        ),
        cuts=tuple(_store_cut(cut) for cut in (*zones.cuts.values(), *zones.parent_sides)),
        hosts=zones.hosts,
        runs=lambda: zones.iter_runs(_RUN),
    )


def _store_cut(cut: Cut) -> StoredCut:
    return StoredCut(cut.owner, cut.apex, cut.ns, cut.glue, cut.place is None)


def digest_sources(files: Iterable[str], patterns: Iterable[str], settings: Settings) -> bytes:
    """Digest files as they are now; b"" if one is unreadable, or a pattern matches a file that is not among them."""
    contents: dict[str, bytes] = {}
    for path in files:
        try:
            contents[path] = digest(read_file(path))
        except ValueProblem:
            return b""
    known = {resolve_links(path) for path in contents}
    if any(resolve_links(path) not in known for pattern in patterns for path in match_pattern(pattern)):
        return b""
    return _digest(contents, settings)


def _digest(contents: Mapping[str, bytes], settings: Settings) -> bytes:
    """Digest all that decides the zones: the program, how it stores them, the settings, the files' contents."""
    whole = begin_digest(f"{__version__} {FORMAT}\n".encode())
    whole.update(msgspec.json.encode(settings) + b"\n")
    for path, content in contents.items():
        octets = os.fsencode(path)
        whole.update(len(octets).to_bytes(4, "big") + octets + content.ljust(SIZE, b"\0"))
    return whole.digest()


def fingerprint(files: Iterable[str], patterns: Iterable[str]) -> Hashable:
    """Say what files look like from outside: two equal values, and nothing has changed.

    Args:
        files: what a load has read; links are followed, as `load` follows them.
        patterns: what more files may match.
    """
    looks = tuple((path, _look(path)) for path in files)
    return looks, tuple((pattern, match_pattern(pattern)) for pattern in patterns)


def _look(path: str) -> Hashable:
    try:
        status = os.stat(path)
    except OSError as error:
        return error.errno
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class ZoneComparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a load would change in one zone."""

    zone: str  # its block or name
    kind: Literal["new", "gone", "changed"]
    added: int  # addresses
    removed: int
    changed: int
    apex: bool  # whether SOA, NS or a delegation differ
    examples: tuple[str, ...] = ()  # "- record" and "+ record", in the order of the addresses; printable


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a load would change altogether."""

    generation: int  # of the snapshot that it was compared with
    served: int  # PTRs
    lost: int  # of them, PTRs that would go
    zones: tuple[ZoneComparison, ...]  # those that differ


def compare(zones: ZoneSet, state_dir: str, *, examples: int = 10) -> Comparison:
    """Compare zones with what is served from a state directory; changes nothing.

    Args:
        examples: the most that each zone gets.
    Raises:
        StoreError: there is no snapshot, or it cannot be read.
    """
    path = snapshot_path(state_dir)
    check_snapshot_file(path, deeply=True)
    content = make_content(zones)
    snapshot = open_snapshot(path)
    try:
        difference = compare_content(snapshot, content)
        before, after = ({zone.apex: zone for zone in each} for each in (snapshot.zones, content.zones))
        changed = [_describe_change(after[x].label, c, examples) for x, c in difference.zones.items() if c.changed]
        new = [ZoneComparison(after[x].label, "new", after[x].records, 0, 0, True) for x in difference.new_zones]
        gone = [ZoneComparison(before[x].label, "gone", 0, before[x].records, 0, True) for x in difference.gone_zones]
        return Comparison(snapshot.generation, _count_records(snapshot), difference.lost, (*new, *gone, *changed))
    finally:
        snapshot.close()


def _describe_change(label: str, change: ZoneChange, examples: int) -> ZoneComparison:
    lines = [(key, f"- {line}") for key, value in change.removed for line in _format_row(key, value)]
    lines += [(key, f"+ {line}") for key, value in change.added for line in _format_row(key, value)]
    return ZoneComparison(
        zone=label,
        kind="changed",
        added=change.rows_added,
        removed=change.rows_removed,
        changed=change.rows_changed,
        apex=bool(change.soa or change.removed_sets or change.added_sets),
        examples=tuple(line for _, line in sorted(lines, key=lambda each: each[0])[:examples]),
    )


def _format_row(key: bytes, value: bytes) -> Iterator[str]:
    rrset = read_value(owner_of(key), value)
    for rdata in rrset.rdatas:
        yield f"{format_name(rrset.owner)} {rrset.ttl} {RRType(rrset.rtype).name} {format_name(rdata)}"
