"""What must outlive a snapshot: serials, which sources it was made of, and what changed between versions.

One small LMDB file with LMDB's default durability: what is committed stands after a power cut. Only a loader writes it.
The versions of a zone are a chain from serial to serial; the chain is bounded, oldest first out, and one that has a gap
is dropped, because a secondary that followed it would have other records than we.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import lmdb
import msgspec

from blackhole_guard.store.content import Row, get_serial
from blackhole_guard.store.errors import StoreError
from blackhole_guard.store.keys import owner_of
from blackhole_guard.store.serial import Serial
from blackhole_guard.store.snapshot_file import MODE, describe, sync_directory
from blackhole_guard.wire.records import RRset
from blackhole_guard.wire.values import read_value

FORMAT = 2
MOST_VERSIONS = 100  # of one zone
MOST_OCTETS = 1 << 24  # of all versions of all zones
MOST_FORGOTTEN = 10_000  # zones that are no longer served whose serials are kept, so that they never run backwards
_MAP_SIZE = 1 << 27  # octets of address space; the file is as long as what is in it, and what a commit needs besides

_STATE = b"state"
_VERSION = b"version"  # and the version's number in eight octets


# LMDB's own errors for a file that it cannot make sense of. Others are the system's: the file may be as good as ever.
_NONSENSE = (
    *(lmdb.InvalidError, lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.VersionMismatchError),
    lmdb.MapResizedError,  # it claims to be longer than any file
)


class BrokenJournalError(StoreError):
    """What stands there is no journal of this format, so it may be made anew."""


class StoredSerial(msgspec.Struct, frozen=True, array_like=True):
    """The serial that a zone had last."""

    serial: int
    mapped: bool  # False: it was built in, and its content is the program's
    served: int  # the generation in which it was served last


class VersionEntry(msgspec.Struct, frozen=True, array_like=True):
    """Where a version stands, and what of."""

    number: int  # ascending
    apex: bytes
    old: int  # serials
    new: int
    octets: int


class JournalState(msgspec.Struct, frozen=True, array_like=True):
    """All but the versions' content."""

    format: int = FORMAT
    generation: int = 0  # of the snapshot that goes with it
    checksum: int = -1  # of that snapshot; -1: there was none
    digest: bytes = b""  # of the sources that it was made of
    files: tuple[str, ...] = ()  # that were read
    patterns: tuple[str, ...] = ()
    serials: dict[bytes, StoredSerial] = {}
    versions: tuple[VersionEntry, ...] = ()  # oldest first


class StoredVersion(msgspec.Struct, frozen=True, array_like=True):
    """What a new version of a zone changed."""

    apex: bytes
    old_soa: RRset
    new_soa: RRset
    removed: tuple[Row, ...]
    added: tuple[Row, ...]
    removed_sets: tuple[RRset, ...]
    added_sets: tuple[RRset, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """A step from one serial to another, as records (RFC 1995 section 4)."""

    old_soa: RRset
    new_soa: RRset
    removed: tuple[RRset, ...]
    added: tuple[RRset, ...]


@dataclass(slots=True)
class VersionChanges:
    """What a load does to the versions."""

    added: list[StoredVersion] = field(default_factory=list)  # with serials old and new
    broken: set[bytes] = field(default_factory=set)  # apexes whose chain has a gap now: it is dropped, before `added`


class Journal:
    """The journal, open for its only writer."""

    def __init__(self, path: str, env: lmdb.Environment, state: JournalState) -> None:
        self._path = path
        self._env = env
        self.state = state

    def close(self) -> None:
        """Give the file back."""
        self._env.close()

    def known_serial(self, apex: bytes) -> StoredSerial | None:
        """Find the serial that a zone had last."""
        return self.state.serials.get(apex)

    def commit(self, state: JournalState, changes: VersionChanges) -> None:
        """Write everything, or nothing.

        Args:
            state: the new one; its `versions` are those of the state before, and are brought up to date here.
            changes: to the versions.
        Raises:
            StoreError: it cannot be written; then all is as it was.
        """
        number = max((entry.number for entry in self.state.versions), default=0) + 1
        packed = {number + n: msgspec.msgpack.encode(each) for n, each in enumerate(changes.added)}
        entries = [entry for entry in self.state.versions if entry.apex not in changes.broken]
        for (number, octets), each in zip(packed.items(), changes.added, strict=True):
            serials = get_serial(each.old_soa), get_serial(each.new_soa)
            entries.append(VersionEntry(number, each.apex, *serials, len(octets)))
        kept = bound_versions(entries)
        state = msgspec.structs.replace(state, versions=kept, serials=_bound_serials(state.serials))
        numbers = {entry.number for entry in kept}
        gone = [entry.number for entry in self.state.versions if entry.number not in numbers]
        try:
            with self._env.begin(write=True) as transaction:
                for each_number in gone:
                    transaction.delete(_version_key(each_number))
                for each_number, octets in packed.items():
                    if each_number in numbers:
                        transaction.put(_version_key(each_number), octets)
                transaction.put(_STATE, msgspec.msgpack.encode(state))
        except lmdb.Error as error:
            raise StoreError(f"the journal {self._path} cannot be written: {describe(error, self._path)}") from error
        self.state = state

    def versions(self, apex: bytes) -> tuple[Version, ...]:
        """Give a zone's versions, oldest first: each begins with the serial that the one before ended with.

        Raises:
            StoreError: they cannot be read.
        """
        try:
            with self._env.begin() as transaction:
                octets = [transaction.get(_version_key(e.number)) or b"" for e in self.state.versions if e.apex == apex]
            return tuple(_unpack(each) for each in octets)
        except (lmdb.Error, msgspec.MsgspecError) as error:
            raise StoreError(f"the journal {self._path} cannot be read") from error


def open_journal(path: str) -> Journal:
    """Open the journal; an empty one is made where there is none.

    Raises:
        BrokenJournalError: it is broken, or has another format.
        StoreError: it cannot be opened, now.
    """
    try:
        fresh = not os.path.exists(path)
        # Without LMDB's lock file: `update` lets one process in, and a lock file that finds the disk full is a SIGBUS.
        env = lmdb.open(path, subdir=False, lock=False, map_size=_MAP_SIZE, mode=MODE)
        if fresh:
            os.chmod(path, MODE)
            sync_directory(os.path.dirname(path) or ".")
    except _NONSENSE as error:
        raise BrokenJournalError(f"the journal {path} is broken: {describe(error, path)}") from error
    except (lmdb.Error, OSError) as error:
        raise StoreError(f"the journal {path} cannot be opened: {describe(error, path)}") from error
    try:
        state = _read_state(env, path)
    except (lmdb.Error, OSError) as error:
        env.close()
        raise StoreError(f"the journal {path} cannot be read: {describe(error, path)}") from error
    except StoreError:
        env.close()
        raise
    return Journal(path, env, state)


def _read_state(env: lmdb.Environment, path: str) -> JournalState:
    """Read the state. Raises BrokenJournalError, lmdb.Error, OSError."""
    try:
        _pad(env, path)
        with env.begin() as transaction:
            packed = transaction.get(_STATE)
        state = JournalState() if packed is None else msgspec.msgpack.decode(packed, type=JournalState)
    except (*_NONSENSE, msgspec.MsgspecError) as error:
        raise BrokenJournalError(f"the journal {path} is broken") from error
    if state.format != FORMAT:
        raise BrokenJournalError(f"the journal {path} has the format {state.format}, and this program reads {FORMAT}")
    return state


def _pad(env: lmdb.Environment, path: str) -> None:
    """Make a file that was cut short as long as LMDB believes it is: reading behind its end would kill the process.

    What was cut off is zeros then, which LMDB and msgspec take for broken. Raises BrokenJournalError, OSError.
    """
    length = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
    if length > _MAP_SIZE:
        raise BrokenJournalError(f"the journal {path} is broken: it claims to have {length:,} octets")
    if os.path.getsize(path) < length:
        os.truncate(path, length)


def bound_versions(entries: Iterable[VersionEntry]) -> tuple[VersionEntry, ...]:
    """Drop the oldest versions until the rest is within the bounds; what is left of a zone has no gap."""
    counts: dict[bytes, int] = {}
    full: set[bytes] = set()
    octets = 0
    kept = []
    for entry in reversed(tuple(entries)):
        octets += entry.octets
        counts[entry.apex] = counts.get(entry.apex, 0) + 1
        if octets > MOST_OCTETS or counts[entry.apex] > MOST_VERSIONS:
            full.add(entry.apex)
        if entry.apex in full:
            octets -= entry.octets
        else:
            kept.append(entry)
    return tuple(reversed(kept))


def _bound_serials(serials: Mapping[bytes, StoredSerial]) -> dict[bytes, StoredSerial]:
    last = max((each.served for each in serials.values()), default=0)
    forgotten = sorted((each.served, apex) for apex, each in serials.items() if each.served < last)
    gone = {apex for _, apex in forgotten[: max(0, len(forgotten) - MOST_FORGOTTEN)]}
    return {apex: each for apex, each in serials.items() if apex not in gone}


def _version_key(number: int) -> bytes:
    return _VERSION + number.to_bytes(8, "big")


def _unpack(octets: bytes) -> Version:
    stored = msgspec.msgpack.decode(octets, type=StoredVersion)
    removed, added = (
        tuple(read_value(owner_of(key), value) for key, value in rows) for rows in (stored.removed, stored.added)
    )
    return Version(stored.old_soa, stored.new_soa, (*stored.removed_sets, *removed), (*stored.added_sets, *added))


def newest(*serials: int | None) -> Serial | None:
    """Give the newest of the serials that there are; of two without an order, the first."""
    found: Serial | None = None
    for number in serials:
        if number is not None and (found is None or Serial(number).is_newer_than(found)):
            found = Serial(number)
    return found
