import contextlib
import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import lmdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_content import make_content, rows_of

from blackhole_guard.store import update as update_module
from blackhole_guard.store.content import get_serial
from blackhole_guard.store.errors import StoreError
from blackhole_guard.store.journal import Journal
from blackhole_guard.store.keys import owner_of
from blackhole_guard.store.serial import Serial
from blackhole_guard.store.snapshot import open_snapshot
from blackhole_guard.store.update import Origin, apply_update, open_store, plan_update, snapshot_path
from blackhole_guard.wire.names import pack_name
from blackhole_guard.wire.values import read_value

TEN = pack_name("10.in-addr.arpa")
ORIGIN = Origin(b"digest", ("a.yaml",), ("*.yaml",))
NOW = 1_700_000_000.0
A, B, C = ({"10.0.0.1": name} for name in ("a.example.com", "b.example.com", "c.example.com"))


def publish(directory, content, now=NOW):
    """Load content as the loader does; returns the update and the store's warnings."""
    store = open_store(str(directory))
    try:
        update = plan_update(store, content, now)
        apply_update(store, update, ORIGIN, b"attached", now)
        return update, store.warnings
    finally:
        store.close()


def serials(directory):
    snapshot = open_snapshot(snapshot_path(str(directory)))
    try:
        return {zone.label: get_serial(zone.soa) for zone in snapshot.zones}
    finally:
        snapshot.close()


def served(directory):
    """What is served: the serial of 10/8 and all its records but the SOA."""
    snapshot = open_snapshot(snapshot_path(str(directory)))
    try:
        (zone,) = (each for each in snapshot.zones if each.apex == TEN)
        rows = [(key, value) for key, value in snapshot.iter_rows() if is_in(zone, key)]
        sets = {zone.ns} | {cut.ns for cut in snapshot.cuts if cut.apex == TEN}
        return get_serial(zone.soa), frozenset(sets | {read_value(owner_of(key), value) for key, value in rows})
    finally:
        snapshot.close()


def is_in(zone, key):
    return any(first <= key <= last for first, last in zone.pieces)


def versions(directory, apex=TEN):
    store = open_store(str(directory))
    try:
        return store.journal.versions(apex)
    finally:
        store.close()


def test_a_first_load_gives_first_serials(tmp_path):
    content = make_content(
        ("10.0.0.0/8", "172.16.0.0/16", "192.168.0.0/16"), A, built_in=("172.16.0.0/16",), serials={"192.168.0.0/16": 7}
    )
    update, warnings = publish(tmp_path, content)
    assert serials(tmp_path) == {"10.0.0.0/8": int(NOW), "172.16.0.0/16": 1, "192.168.0.0/16": 7}
    assert (warnings, update.difference, update.stale, update.backward) == ([], None, (), ())
    snapshot = open_snapshot(snapshot_path(str(tmp_path)))
    assert (snapshot.generation, snapshot.digest, snapshot.attachment) == (int(NOW), b"digest", b"attached")
    snapshot.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["journal.mdb", "snapshot.mdb"]


@pytest.mark.parametrize(
    ("later", "expected"),
    [(NOW + 60, int(NOW) + 60), (NOW, int(NOW) + 1), (NOW - 1000, int(NOW) + 1)],
    ids=["the time", "the same second", "a clock set back"],
)
def test_a_change_moves_the_serial_of_its_zone_only(tmp_path, later, expected):
    zones = ("10.0.0.0/8", "172.16.0.0/16")
    publish(tmp_path, make_content(zones, A))
    publish(tmp_path, make_content(zones, B), later)
    assert serials(tmp_path) == {"10.0.0.0/8": expected, "172.16.0.0/16": int(NOW)}
    (step,) = versions(tmp_path)
    assert (get_serial(step.old_soa), get_serial(step.new_soa)) == (int(NOW), expected)
    assert [each.rdatas for each in step.removed] == [(pack_name("a.example.com"),)]
    assert [each.rdatas for each in step.added] == [(pack_name("b.example.com"),)]
    assert versions(tmp_path, pack_name("16.172.in-addr.arpa")) == ()


def test_no_difference_moves_nothing(tmp_path):
    for second in range(3):
        publish(tmp_path, make_content(ptrs=A), NOW + second)
    assert serials(tmp_path) == {"10.0.0.0/8": int(NOW)}
    assert versions(tmp_path) == ()


def test_generations_grow_even_when_all_is_lost(tmp_path):
    found = []
    for second in range(4):
        publish(tmp_path, make_content(ptrs=A), NOW + second)
        snapshot = open_snapshot(snapshot_path(str(tmp_path)))
        found.append(snapshot.generation)
        snapshot.close()
        if second == 2:
            for each in tmp_path.iterdir():
                each.unlink()
    assert found == sorted(set(found))


def test_an_empty_built_in_zone_keeps_serial_1_until_a_map_fills_it(tmp_path):
    empty = make_content(built_in=("10.0.0.0/8",))
    found = []
    for second, content in enumerate([empty, empty, make_content(ptrs=A), empty, empty]):
        publish(tmp_path, content, NOW + second)
        found.append(serials(tmp_path)["10.0.0.0/8"])
    assert found == [1, 1, int(NOW) + 2, int(NOW) + 3, int(NOW) + 3]


def test_a_zone_that_comes_back_goes_on_from_its_last_serial(tmp_path):
    both = ("10.0.0.0/8", "172.16.0.0/16")
    publish(tmp_path, make_content(both, A), NOW + 100)
    publish(tmp_path, make_content(("10.0.0.0/8",), A), NOW + 100)
    publish(tmp_path, make_content(both, A), NOW)
    assert serials(tmp_path)["172.16.0.0/16"] == int(NOW) + 101


@pytest.mark.parametrize(
    ("given", "stale", "backward", "steps"),
    [
        ((5, 6), False, False, 1),
        ((5, 5), True, False, 0),
        ((6, 5), False, True, 0),
        ((0, 2**31), False, True, 0),  # no order: a secondary would not take it
        ((2**32 - 1, 0), False, False, 1),
    ],
)
def test_a_serial_of_a_map_is_served_as_it_is(tmp_path, given, stale, backward, steps):
    for serial, ptrs in zip(given, (A, B), strict=True):
        update, _ = publish(tmp_path, make_content(ptrs=ptrs, serials={"10.0.0.0/8": serial}))
        assert serials(tmp_path) == {"10.0.0.0/8": serial}
    assert (bool(update.stale), bool(update.backward)) == (stale, backward)
    assert len(versions(tmp_path)) == steps


def test_a_change_under_the_same_serial_drops_the_journal_of_that_zone(tmp_path):
    for serial, ptrs in ((5, A), (6, B), (7, A)):
        publish(tmp_path, make_content(ptrs=ptrs, serials={"10.0.0.0/8": serial}))
    assert len(versions(tmp_path)) == 2
    publish(tmp_path, make_content(ptrs=C, serials={"10.0.0.0/8": 7}))
    assert versions(tmp_path) == ()


def test_a_larger_serial_without_a_change_is_a_version_too(tmp_path):
    for serial in (5, 6):
        update, _ = publish(tmp_path, make_content(ptrs=A, serials={"10.0.0.0/8": serial}))
    (step,) = versions(tmp_path)
    assert (get_serial(step.old_soa), get_serial(step.new_soa), step.removed, step.added) == (5, 6, (), ())
    assert not update.stale


def test_a_serial_that_is_not_given_any_more_moves_with_the_next_change(tmp_path):
    publish(tmp_path, make_content(ptrs=A, serials={"10.0.0.0/8": 2009012501}))
    publish(tmp_path, make_content(ptrs=A))
    assert serials(tmp_path) == {"10.0.0.0/8": 2009012501}
    publish(tmp_path, make_content(ptrs=B))
    assert serials(tmp_path) == {"10.0.0.0/8": 2009012502}


# --- files that are lost or broken


def test_a_lost_snapshot_is_built_anew_with_the_next_serials(tmp_path):
    content = make_content(("10.0.0.0/8", "172.16.0.0/16"), A, built_in=("172.16.0.0/16",))
    publish(tmp_path, content)
    Path(snapshot_path(str(tmp_path))).unlink()
    _, warnings = publish(tmp_path, content, NOW - 5)
    assert warnings == [f"the snapshot {snapshot_path(str(tmp_path))} is gone"]
    assert serials(tmp_path) == {"10.0.0.0/8": int(NOW) + 1, "172.16.0.0/16": 1}
    assert versions(tmp_path) == ()


def test_a_broken_snapshot_is_not_even_opened(tmp_path):
    publish(tmp_path, make_content(ptrs=A))
    path = Path(snapshot_path(str(tmp_path)))
    octets = bytearray(path.read_bytes())
    octets[5000] ^= 1
    path.write_bytes(octets)
    update, warnings = publish(tmp_path, make_content(ptrs=A))
    assert (warnings, update.difference) == ([f"the snapshot {path} is broken"], None)
    assert serials(tmp_path) == {"10.0.0.0/8": int(NOW) + 1}


def test_a_lost_journal_goes_on_from_the_snapshot(tmp_path):
    publish(tmp_path, make_content(ptrs=A))
    (tmp_path / "journal.mdb").unlink()
    publish(tmp_path, make_content(ptrs=A), NOW - 1000)
    assert serials(tmp_path) == {"10.0.0.0/8": int(NOW)}
    snapshot = open_snapshot(snapshot_path(str(tmp_path)))
    assert snapshot.generation == int(NOW) + 1
    snapshot.close()
    publish(tmp_path, make_content(ptrs=B), NOW - 1000)
    assert serials(tmp_path) == {"10.0.0.0/8": int(NOW) + 1}


def test_a_broken_journal_is_made_anew(tmp_path):
    publish(tmp_path, make_content(ptrs=A))
    (tmp_path / "journal.mdb").write_bytes(os.urandom(40000))
    _, warnings = publish(tmp_path, make_content(ptrs=B), NOW - 1000)
    assert len(warnings) == 1
    assert warnings[0].endswith("; it is made anew")
    assert serials(tmp_path) == {"10.0.0.0/8": int(NOW) + 1}


@pytest.mark.parametrize("error", [lmdb.MemoryError, lmdb.ReadonlyError, lmdb.Error])
def test_a_journal_that_cannot_be_opened_now_is_kept(tmp_path, monkeypatch, error):
    publish(tmp_path, make_content(ptrs=A))
    publish(tmp_path, make_content(ptrs=B))

    def fail(path, **options):
        raise error(f"{path}: Too many open files")

    with monkeypatch.context() as short:
        short.setattr(lmdb, "open", fail)
        with pytest.raises(StoreError, match=r"journal\.mdb cannot be opened: Too many open files"):
            open_store(str(tmp_path))
    assert len(versions(tmp_path)) == 1


def test_a_directory_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(str(tmp_path / "none"))


def test_one_process_writes_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(update_module, "_PATIENCE", 0.2)
    store = open_store(str(tmp_path))
    with pytest.raises(StoreError, match="another process writes"):
        open_store(str(tmp_path))
    store.close()
    open_store(str(tmp_path)).close()


def test_a_file_system_without_locks_is_an_error_at_once(tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(update_module.fcntl, "flock", flock)
    monkeypatch.setattr(update_module, "_PATIENCE", 3600)
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(StoreError, match=r"cannot be locked: No locks available; it must be on a file system with"):
        open_store(str(tmp_path))
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_snapshot_that_the_journal_does_not_know_breaks_the_chain(tmp_path):
    for ptrs in (A, B):
        publish(tmp_path, make_content(ptrs=ptrs))
    path = Path(snapshot_path(str(tmp_path)))
    older = path.read_bytes()
    publish(tmp_path, make_content(ptrs=C))
    path.write_bytes(older)  # out of a backup
    publish(tmp_path, make_content(ptrs=A))
    assert serials(tmp_path) == {"10.0.0.0/8": int(NOW) + 3}
    assert [get_serial(step.old_soa) for step in versions(tmp_path)] == [int(NOW) + 1]


def test_an_old_snapshot_with_its_old_content_gets_a_serial_of_its_own(tmp_path):
    publish(tmp_path, make_content(ptrs=A))
    path = Path(snapshot_path(str(tmp_path)))
    older = path.read_bytes()
    publish(tmp_path, make_content(ptrs=B))
    path.write_bytes(older)
    publish(tmp_path, make_content(ptrs=A))
    assert serials(tmp_path) == {"10.0.0.0/8": int(NOW) + 2}  # + 1 was served with other content


def test_what_is_committed_is_on_the_disk_before_the_next_step(tmp_path, monkeypatch):
    done = []
    commit, rename, fsync = Journal.commit, os.rename, os.fsync
    monkeypatch.setattr(Journal, "commit", lambda *args: (done.append("commit"), commit(*args)))
    monkeypatch.setattr(os, "rename", lambda *args: (done.append("rename"), rename(*args)))

    def watched_fsync(descriptor):
        done.append(f"sync {os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}'))}")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    publish(tmp_path, make_content(ptrs=A))
    here = f"sync {tmp_path.name}"
    assert done == [here, "sync snapshot.mdb.new", "commit", "rename", here]  # the first: the journal is a new file


# --- a stop between any two steps


class StopHereError(BaseException):
    pass


def stop(*args, **kwargs):
    raise StopHereError


contents = st.sampled_from([A, B, C, A | {"10.1.0.1": "x.example.com"}, {}])
zone_sets = st.sampled_from([("10.0.0.0/8",), ("10.0.0.0/8", "10.1.0.0/16")])
stops = st.sampled_from([None, None, "write_snapshot_file", "commit", "put_in_place", "lost"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.tuples(contents, zone_sets, stops, st.integers(-3, 3)), min_size=1, max_size=8), st.randoms())
def test_a_serial_stands_for_one_content_and_versions_lead_to_it(tmp_path_factory, steps, chance):
    directory = tmp_path_factory.mktemp("state")
    history = {}
    last = None
    for ptrs, zones, where, skew in steps:
        with pytest.MonkeyPatch.context() as patch:
            if where in ("write_snapshot_file", "put_in_place"):
                patch.setattr(update_module, where, stop)
            elif where == "commit":
                patch.setattr(Journal, "commit", stop)
            elif where == "lost":  # the journal was committed, and the new file did not survive
                patch.setattr(update_module, "put_in_place", lambda new, path: (Path(new).unlink(), stop()))
            with contextlib.suppress(StopHereError):
                publish(directory, make_content(zones, ptrs), NOW + skew)
        if chance.random() < 0.3:
            open_store(str(directory)).close()  # a start in between
        if not (directory / "snapshot.mdb").exists():
            continue
        serial, records = served(directory)
        assert history.setdefault(serial, records) == records
        if last is not None:
            assert serial == last or Serial(serial).is_newer_than(Serial(last))
        last = serial
    follow(versions(directory), history)


def follow(steps, history):
    """Go from serial to serial as a secondary does, from each content that was served."""
    previous = None
    for step in steps:
        old, new = get_serial(step.old_soa), get_serial(step.new_soa)
        assert previous in (None, old)
        previous = new
        if old in history and new in history:
            assert history[old] - set(step.removed) | set(step.added) == history[new]
            assert set(step.removed) <= history[old]


STEPS = ["_write_pages", "_seal", "check", "commit", "rename", "sync"]
PROGRAM = """
import os, signal, sys
sys.path.insert(0, sys.argv[4])
from test_update import publish, A, B, make_content
from blackhole_guard.store import snapshot_file, update, journal
directory, step, when = sys.argv[1:4]
home, name = {
    "_write_pages": (snapshot_file, "_write_pages"), "_seal": (snapshot_file, "_seal"),
    "check": (update, "check_snapshot_file"), "commit": (journal.Journal, "commit"),
    "rename": (snapshot_file.os, "rename"), "sync": (snapshot_file, "sync_directory"),
}[step]
wrapped = getattr(home, name)
def killing(*args, **kwargs):
    if when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = wrapped(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(home, name, killing)
publish(directory, make_content(ptrs=B), 1_700_000_005.0)
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_process_that_is_killed_leaves_the_same_or_the_next_serial(tmp_path, step, when):
    publish(tmp_path, make_content(ptrs=A))
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), step, when, os.path.dirname(__file__)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert serials(tmp_path)["10.0.0.0/8"] in (int(NOW), int(NOW) + 5)
    _, warnings = publish(tmp_path, make_content(ptrs=B), NOW + 5)
    assert warnings == []
    assert serials(tmp_path)["10.0.0.0/8"] in (int(NOW) + 5, int(NOW) + 6)
    assert served(tmp_path)[1] == frozenset({*make_served(B)})
    assert not (tmp_path / "snapshot.mdb.new").exists()


def make_served(ptrs):
    content = make_content(ptrs=ptrs)
    return {content.zones[0].ns} | {read_value(owner_of(key), value) for key, value in rows_of(content)}


ENDLESS = """
import sys, itertools
sys.path.insert(0, sys.argv[2])
from test_update import publish, served, make_content
for number in itertools.count(int(sys.argv[3])):
    publish(sys.argv[1], make_content(ptrs={f"10.0.{n}.1": f"h{number}-{n}.example.com" for n in range(200)}), 1.0)
    print(served(sys.argv[1])[0], flush=True)
"""


def test_kills_at_random_moments_lose_nothing_that_was_said(tmp_path):
    chance = random.Random(4)
    last = 0
    for kill in range(8):
        command = [sys.executable, "-c", ENDLESS, str(tmp_path), os.path.dirname(__file__), str(kill * 1000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = [process.stdout.readline()]
            time.sleep(chance.uniform(0, 0.15))
            process.kill()
            said += process.stdout.read().splitlines()
        acknowledged = [int(line) for line in said if line.strip()]
        assert acknowledged == sorted(acknowledged)
        assert acknowledged[0] > last
        store = open_store(str(tmp_path))
        assert store.warnings == []
        assert store.snapshot is not None
        assert len({value for _, value in store.snapshot.iter_rows()}) == 200
        store.close()
        last = serials(tmp_path)["10.0.0.0/8"]
        assert last in (acknowledged[-1], acknowledged[-1] + 1)


# --- no space


def test_a_snapshot_that_cannot_be_written_leaves_all_as_it_was(tmp_path, monkeypatch):
    publish(tmp_path, make_content(ptrs=A))
    before = served(tmp_path)

    def fail(path, meta, content):
        raise StoreError("no space")

    monkeypatch.setattr(update_module, "write_snapshot_file", fail)
    with pytest.raises(StoreError):
        publish(tmp_path, make_content(ptrs=B))
    assert served(tmp_path) == before
    store = open_store(str(tmp_path))
    assert store.consistent
    store.close()


@pytest.mark.root
def test_a_disk_that_is_full_at_any_point_never_breaks_the_store(tmp_path):
    mounted = tmp_path / "small"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(mounted)], check=True)
    try:
        publish(mounted, make_content(ptrs=A))
        serial, records = served(mounted)
        failed = loaded = 0
        for free in range(0, 160, 8):
            filler = mounted / "filler"
            room = os.statvfs(mounted).f_bavail * 4096 - free * 1024
            filler.write_bytes(bytes(max(room, 0)))
            ptrs = {f"10.0.{n >> 8}.{n & 255}": f"host-{free}.example.com" for n in range(600)}
            try:
                publish(mounted, make_content(ptrs=ptrs))
                loaded += 1
            except StoreError:
                failed += 1
                assert served(mounted) == (serial, records)
            filler.unlink()
            store = open_store(str(mounted))
            assert (store.warnings, store.snapshot is not None) == ([], True)
            store.close()
            assert served(mounted)[0] >= serial
            serial, records = served(mounted)
        assert failed > 2
        assert loaded > 2
    finally:
        subprocess.run(["umount", str(mounted)], check=True)
