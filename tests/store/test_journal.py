import mmap
import os
import stat

import msgspec
import pytest
from store_content import make_content

from blackhole_guard.store import journal
from blackhole_guard.store.content import set_serial
from blackhole_guard.store.errors import StoreError
from blackhole_guard.store.journal import (
    FORMAT,
    BrokenJournalError,
    JournalState,
    StoredSerial,
    StoredVersion,
    VersionChanges,
    VersionEntry,
    bound_versions,
    newest,
    open_journal,
)
from blackhole_guard.store.keys import make_key
from blackhole_guard.store.serial import Serial
from blackhole_guard.wire.names import format_name, pack_name
from blackhole_guard.wire.values import make_ptrs

(ZONE,) = make_content().zones
OTHER = pack_name("20.172.in-addr.arpa")


def version(old, new, apex=ZONE.apex, address=(10, 0, 0, 1)):
    row = make_key(bytes(address)), make_ptrs(pack_name("a.example.com"), 60)
    return StoredVersion(apex, set_serial(ZONE.soa, old), set_serial(ZONE.soa, new), (), (row,), (), (ZONE.ns,))


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "journal.mdb")


@pytest.fixture
def opened(path):
    found = open_journal(path)
    yield found
    found.close()


def reopen(found, path):
    found.close()
    return open_journal(path)


def test_a_new_journal_knows_nothing(opened, path):
    assert opened.state == JournalState()
    assert opened.versions(ZONE.apex) == ()
    assert opened.known_serial(ZONE.apex) is None
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640


def test_what_is_committed_is_there_at_the_next_opening(opened, path):
    state = JournalState(
        generation=4,
        checksum=99,
        digest=b"d",
        files=("a.yaml",),
        patterns=("/etc/*.yaml",),
        serials={ZONE.apex: StoredSerial(7, True, 4)},
    )
    opened.commit(state, VersionChanges(added=[version(6, 7)]))
    found = reopen(opened, path)
    assert found.known_serial(ZONE.apex) == StoredSerial(7, True, 4)
    assert found.state == msgspec.structs.replace(state, versions=found.state.versions)
    (step,) = found.versions(ZONE.apex)
    assert (step.old_soa, step.new_soa) == (set_serial(ZONE.soa, 6), set_serial(ZONE.soa, 7))
    assert step.removed == ()
    assert step.added[0] == ZONE.ns
    assert format_name(step.added[1].owner) == "1.0.0.10.in-addr.arpa."
    found.close()


def test_versions_are_a_chain_for_each_zone(opened):
    opened.commit(JournalState(), VersionChanges(added=[version(1, 2), version(5, 6, OTHER)]))
    opened.commit(JournalState(), VersionChanges(added=[version(2, 3)]))
    assert [entry.new for entry in opened.state.versions if entry.apex == ZONE.apex] == [2, 3]
    assert len(opened.versions(OTHER)) == 1
    opened.commit(JournalState(), VersionChanges(added=[version(9, 10)], broken={ZONE.apex}))
    assert [(entry.old, entry.new) for entry in opened.state.versions if entry.apex == ZONE.apex] == [(9, 10)]
    assert len(opened.versions(OTHER)) == 1


def test_a_zone_keeps_so_many_versions(opened, monkeypatch):
    monkeypatch.setattr(journal, "MOST_VERSIONS", 3)
    for serial in range(1, 8):
        opened.commit(JournalState(), VersionChanges(added=[version(serial, serial + 1)]))
    assert [entry.old for entry in opened.state.versions] == [5, 6, 7]
    assert [step.new_soa for step in opened.versions(ZONE.apex)] == [set_serial(ZONE.soa, n) for n in (6, 7, 8)]


def test_what_is_dropped_makes_room(opened, path, monkeypatch):
    monkeypatch.setattr(journal, "MOST_VERSIONS", 5)
    row = make_key(bytes(4)), b"x" * 100_000
    for serial in range(1, 100):
        large = msgspec.structs.replace(version(serial, serial + 1), added=(row,))
        opened.commit(JournalState(), VersionChanges(added=[large]))
    assert os.path.getsize(path) < 3_000_000


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ([("a", 10), ("b", 10)], [0, 1]),
        ([("a", 60), ("b", 60)], [1]),
        ([("a", 60), ("b", 30), ("a", 60)], [1, 2]),
        ([("a", 10), ("a", 95), ("a", 10)], [2]),  # what is older than a gap goes, too
        ([("a", 200)], []),
        ([("b", 10), ("a", 200)], [0]),
    ],
)
def test_all_versions_together_have_a_bound_oldest_first_out(sizes, kept, monkeypatch):
    monkeypatch.setattr(journal, "MOST_OCTETS", 100)
    entries = [VersionEntry(n, apex.encode(), n, n + 1, size) for n, (apex, size) in enumerate(sizes)]
    assert [entry.number for entry in bound_versions(entries)] == kept


def test_serials_of_zones_that_are_gone_are_kept_up_to_a_bound(opened, monkeypatch):
    monkeypatch.setattr(journal, "MOST_FORGOTTEN", 2)
    serials = {b"%d" % n: StoredSerial(n, True, n) for n in range(5)} | {b"now": StoredSerial(1, True, 9)}
    opened.commit(JournalState(serials=serials), VersionChanges())
    assert set(opened.state.serials) == {b"3", b"4", b"now"}


@pytest.mark.parametrize("damage", ["garbage", "empty", "cut", "half", "format", "zeros"])
def test_a_broken_journal_is_told_and_kills_nobody(path, damage):
    good = open_journal(path)
    serials = {b"%d" % n: StoredSerial(n, True, 1) for n in range(2000)}
    good.commit(
        JournalState(serials=serials, format=FORMAT + (damage == "format")), VersionChanges(added=[version(1, 2)])
    )
    good.close()
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        if damage == "garbage":
            file.write(os.urandom(size))
        elif damage == "empty":
            file.truncate(1)
        elif damage == "cut":
            file.truncate(8192)
        elif damage == "half":
            file.truncate(size // 2)
        elif damage == "zeros":
            file.seek(8192)
            file.write(bytes(size - 8192))
    with pytest.raises(BrokenJournalError, match=r"is broken|has the format"):
        open_journal(path)


@pytest.mark.parametrize("pages", [1 << 16, 1 << 30, 1 << 60])
def test_a_journal_that_claims_to_be_longer_than_one_can_be_is_broken_and_does_not_become_so(path, pages):
    good = open_journal(path)
    good.commit(JournalState(generation=1), VersionChanges())
    good.close()
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        for page in (0, 1):
            # LMDB's meta page: header, magic, version, address, map size, two trees, and then the last page's number.
            file.seek(page * mmap.PAGESIZE + 16 + 4 + 4 + 8 + 8 + 2 * 48)
            file.write(pages.to_bytes(8, "little"))
    with pytest.raises(BrokenJournalError, match="is broken"):
        open_journal(path)
    assert os.path.getsize(path) == size


def test_an_error_while_writing_changes_nothing(path, monkeypatch):
    monkeypatch.setattr(journal, "_MAP_SIZE", 1 << 20)
    opened = open_journal(path)
    opened.commit(JournalState(generation=1), VersionChanges(added=[version(1, 2)]))
    monkeypatch.setattr(journal, "MOST_OCTETS", 1 << 40)
    row = make_key(bytes(4)), bytes(1 << 21)  # more than the map holds
    with pytest.raises(StoreError, match="cannot be written"):
        opened.commit(
            JournalState(generation=2), VersionChanges(added=[msgspec.structs.replace(version(2, 3), added=(row,))])
        )
    assert opened.state.generation == 1
    assert len(opened.versions(ZONE.apex)) == 1
    found = reopen(opened, path)
    assert found.state.generation == 1
    found.close()


@pytest.mark.parametrize(
    ("serials", "expected"),
    [((), None), ((None, None), None), ((5, None), 5), ((5, 6), 6), ((6, 5), 6), ((1, 2**32 - 1), 1), ((0, 2**31), 0)],
)
def test_the_newest_of_the_serials_that_are_known(serials, expected):
    assert newest(*serials) == (None if expected is None else Serial(expected))
