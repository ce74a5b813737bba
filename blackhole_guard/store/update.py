"""New content becomes the snapshot: serials, the file, the journal, in an order that a crash cannot hurt.

1. The new file is written whole under another name, with the new serials, down to the disk.
2. The journal is committed: the new serials, and the checksum of the new file.
3. The file is renamed.

After a crash before 2 nothing has happened. After one between 2 and 3, `recover` does 3; and if it cannot, the journal
knows serials at least as new as any that was ever served. So no zone's serial runs backwards.
"""

import contextlib
import fcntl
import os
import time
from dataclasses import dataclass, field

import msgspec

from blackhole_guard.store.content import Content, StoredZone, get_serial, set_serial
from blackhole_guard.store.difference import Difference, ZoneChange, compare
from blackhole_guard.store.errors import StoreError
from blackhole_guard.store.journal import (
    BrokenJournalError,
    Journal,
    JournalState,
    StoredSerial,
    StoredVersion,
    VersionChanges,
    newest,
    open_journal,
)
from blackhole_guard.store.serial import Serial
from blackhole_guard.store.snapshot import Snapshot, open_snapshot
from blackhole_guard.store.snapshot_file import (
    Meta,
    check_snapshot_file,
    make_room,
    put_in_place,
    remove,
    write_snapshot_file,
)

SNAPSHOT = "snapshot.mdb"
JOURNAL = "journal.mdb"
_NEW = "snapshot.mdb.new"
_PATIENCE = 5.0  # seconds in which a process that was killed gives its lock back


@dataclass(frozen=True, slots=True)
class Origin:
    """What a snapshot was made of: whoever loads compares it with what there is now."""

    digest: bytes
    files: tuple[str, ...]
    patterns: tuple[str, ...]


@dataclass(slots=True)
class Store:
    """A state directory, open for its only writer."""

    directory: str
    journal: Journal
    snapshot: Snapshot | None  # what is served; None: there is nothing that can be trusted
    warnings: list[str] = field(default_factory=list)  # what was not as it should be, one line each
    checksum: int = -1  # of the snapshot
    lock: int = -1  # descriptor of the directory, which is locked as long as it is open

    @property
    def consistent(self) -> bool:
        """Whether the snapshot is the one that the journal describes."""
        return self.snapshot is not None and self.journal.state.checksum == self.checksum

    def close(self) -> None:
        """Close both files."""
        if self.snapshot is not None:
            self.snapshot.close()
            self.snapshot = None
        self.journal.close()
        os.close(self.lock)


def snapshot_path(directory: str) -> str:
    """Name the snapshot of a state directory."""
    return os.path.join(directory, SNAPSHOT)


def open_store(directory: str) -> Store:
    """Open a state directory; what is broken in it is put aside, and said in `warnings`.

    Raises:
        StoreError: another process has it open, or the journal can neither be opened nor, broken, be made anew.
    """
    warnings: list[str] = []
    with contextlib.ExitStack() as undo:
        lock = _lock(directory)
        undo.callback(os.close, lock)
        journal = _open_journal(os.path.join(directory, JOURNAL), warnings)
        undo.callback(journal.close)
        checksum = _recover(directory, journal, warnings)
        path = snapshot_path(directory)
        snapshot = None if checksum is None else _open_snapshot(path, warnings)
        if checksum is None and journal.state.checksum != -1 and not warnings:
            warnings.append(f"the snapshot {path} is gone")
        undo.pop_all()
    return Store(directory, journal, snapshot, warnings, -1 if checksum is None else checksum, lock)


def _lock(directory: str) -> int:
    """Let no other process write; the kernel unlocks when the descriptor is closed, however this process ends."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(f"the state directory {directory} cannot be opened: {error.strerror}") from error
    try:
        _await_lock(descriptor)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise StoreError(f"another process writes to the state directory {directory}") from error
        hint = "it must be on a file system with flock(2), as local ones are"
        raise StoreError(f"the state directory {directory} cannot be locked: {error.strerror}; {hint}") from error
    return descriptor


def _await_lock(descriptor: int) -> None:
    """Raises BlockingIOError when another has had the lock for too long, OSError when there are no locks."""
    patience = time.monotonic() + _PATIENCE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > patience:
                raise
        time.sleep(0.05)  # flock(2) has no time-out


def _open_journal(path: str, warnings: list[str]) -> Journal:
    try:
        return open_journal(path)
    except BrokenJournalError as error:
        warnings.append(f"{error}; it is made anew")
    try:
        remove(path)
    except OSError as error:
        raise StoreError(f"the journal {path} cannot be removed: {error.strerror}") from error
    return open_journal(path)


def _recover(directory: str, journal: Journal, warnings: list[str]) -> int | None:
    """Finish what a crash cut short; returns the snapshot's checksum, None: there is none that can be trusted."""
    path, new = snapshot_path(directory), os.path.join(directory, _NEW)
    checksum = _check(path, warnings)
    if checksum != journal.state.checksum and _check(new, []) == journal.state.checksum != -1:
        try:
            put_in_place(new, path)
        except StoreError as error:
            warnings.append(str(error))
            return checksum
        warnings.clear()
        return journal.state.checksum
    return checksum


def _check(path: str, warnings: list[str]) -> int | None:
    try:
        return check_snapshot_file(path, deeply=True)
    except StoreError as error:
        warnings.append(str(error))
        return None


def _open_snapshot(path: str, warnings: list[str]) -> Snapshot | None:
    try:
        return open_snapshot(path)
    except StoreError as error:
        warnings.append(str(error))
        return None


@dataclass(frozen=True, slots=True)
class Update:
    """What is about to be done."""

    content: Content
    difference: Difference | None  # None: there was no snapshot
    zones: tuple[StoredZone, ...]  # with their serials
    changes: VersionChanges
    stale: tuple[StoredZone, ...]  # whose content changed under a serial that a map gives: secondaries do not notice
    backward: tuple[StoredZone, ...]  # whose map gives a serial that is not newer than the one before


def plan_update(store: Store, content: Content, now: float) -> Update:
    """Compare new content with what is served, and decide on the serials.

    Args:
        now: unix seconds.
    """
    difference = None if store.snapshot is None else compare(store.snapshot, content)
    served = {} if store.snapshot is None else {zone.apex: zone for zone in store.snapshot.zones}
    update = _Decider(store.journal, difference, served, now)
    zones = tuple(update.decide(zone) for zone in content.zones)
    gone = {apex for apex in store.journal.state.serials if apex not in {zone.apex for zone in zones}}
    update.changes.broken |= gone
    return Update(content, difference, zones, update.changes, tuple(update.stale), tuple(update.backward))


@dataclass(frozen=True, slots=True)
class _Case:
    """One zone, as it was and as it will be."""

    zone: StoredZone  # with its new serial
    before: StoredZone | None  # as it is served; None: it is not
    known: StoredSerial | None  # what the journal knows of it
    last: Serial  # the newest that it had
    serial: Serial
    change: ZoneChange | None  # None: it is not known what changes

    @property
    def is_chain(self) -> bool:
        """Whether what is served is the version that the journal ended with."""
        return (
            self.before is not None
            and self.known is not None
            and self.known.serial == get_serial(self.before.soa) == self.last.number
        )


class _Decider:
    """Decides on one zone after the other."""

    def __init__(
        self, journal: Journal, difference: Difference | None, served: dict[bytes, StoredZone], now: float
    ) -> None:
        self._journal = journal
        self._difference = difference
        self._served = served
        self._now = now
        self.changes = VersionChanges()
        self.stale: list[StoredZone] = []
        self.backward: list[StoredZone] = []

    def decide(self, zone: StoredZone) -> StoredZone:
        """Give a zone its serial, and enter what that means for its versions."""
        known = self._journal.known_serial(zone.apex)
        before = self._served.get(zone.apex)
        last = newest(known.serial if known else None, get_serial(before.soa) if before else None)
        change = self._difference.zones.get(zone.apex) if self._difference else None
        if change is None or before is None:  # what it was is not known; but what is built in stays as it is
            changed = zone.mapped or known is None or known.mapped
        else:  # a serial that was planned and not served may have stood for other content
            changed = change.changed or (last is not None and last.number != get_serial(before.soa))
        serial = self._choose(zone, last, changed)
        numbered = msgspec.structs.replace(zone, soa=set_serial(zone.soa, serial.number))
        if last is not None:
            self._note_versions(_Case(numbered, before, known, last, serial, change))
        return numbered

    def _choose(self, zone: StoredZone, last: Serial | None, changed: bool) -> Serial:
        if zone.serial is not None:
            return Serial(zone.serial)
        if last is None:
            return Serial(0).next(self._now) if zone.mapped else Serial(1)  # RFC 6303 section 3
        return last.next(self._now) if changed else last

    def _note_versions(self, case: _Case) -> None:
        if not case.is_chain:
            self.changes.broken.add(case.zone.apex)
        if case.serial == case.last:
            if case.change is not None and case.change.changed:
                self.stale.append(case.zone)
                self.changes.broken.add(case.zone.apex)
        elif not case.serial.is_newer_than(case.last):
            self.backward.append(case.zone)
            self.changes.broken.add(case.zone.apex)
        elif case.before is None or case.change is None or not case.change.whole:
            self.changes.broken.add(case.zone.apex)
        else:
            self.changes.added.append(_make_version(case.before, case.zone, case.change))


def _make_version(before: StoredZone, zone: StoredZone, change: ZoneChange) -> StoredVersion:
    removed, added = tuple(change.removed), tuple(change.added)
    return StoredVersion(zone.apex, before.soa, zone.soa, removed, added, change.removed_sets, change.added_sets)


def apply_update(store: Store, update: Update, origin: Origin, attachment: bytes, now: float) -> int:
    """Write the snapshot and the journal. The store's own snapshot stays the one from before.

    Returns:
        The new generation.
    Raises:
        StoreError: it cannot be written. What was served still is; the serials may have moved on.
    """
    generation = _next_generation(store, now)
    content = update.content
    meta = Meta(generation, origin.digest, attachment, update.zones, content.cuts, content.hosts)
    new, path = os.path.join(store.directory, _NEW), snapshot_path(store.directory)
    make_room(path)
    checksum = write_snapshot_file(new, meta, content)
    serials = dict(store.journal.state.serials)
    serials.update({z.apex: StoredSerial(get_serial(z.soa), z.mapped, generation) for z in update.zones})
    state = JournalState(
        generation=generation,
        checksum=checksum,
        digest=origin.digest,
        files=origin.files,
        patterns=origin.patterns,
        serials=serials,
    )
    try:
        store.journal.commit(state, update.changes)
    except StoreError:
        remove(new)
        raise
    put_in_place(new, path)
    return generation


def _next_generation(store: Store, now: float) -> int:
    """Go on from the last one; without one begin with the time, which is later than where a lost store began."""
    last = max(store.journal.state.generation, store.snapshot.generation if store.snapshot else 0)
    return last + 1 if last else max(int(now), 1)
