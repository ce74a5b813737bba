import os

import pytest
from store_content import make_content

from blackhole_guard.store import mapped_file
from blackhole_guard.store import snapshot as snapshots
from blackhole_guard.store.errors import StoreError
from blackhole_guard.store.mapped_file import MappedFile
from blackhole_guard.store.snapshot import open_snapshot
from blackhole_guard.store.snapshot_file import Meta, write_snapshot_file

SHELVES = [b"\x04\x0a\0" + bytes((third,)) for third in range(200)]
CONTENT = make_content(
    ptrs={f"10.0.{third}.{host}": f"h{third}-{host}.example.com" for third in range(200) for host in range(third + 1)}
)


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "snapshot.mdb")
    write_snapshot_file(path, Meta(1, b"", b"", CONTENT.zones, (), ()), CONTENT)
    return path


@pytest.fixture
def snapshot(path):
    opened = open_snapshot(path)
    yield opened
    opened.close()


def test_each_shelf_is_at_its_place_in_the_file(path, snapshot):
    with open(path, "rb") as file:
        octets = file.read()
    for key in SHELVES:
        shelf = snapshot.find_shelf(key)
        whole, begin = snapshot.locate(shelf)
        assert whole[begin : begin + len(shelf)] == octets[begin : begin + len(shelf)] == bytes(shelf)
        assert whole[:] == octets


def test_two_snapshots_are_not_taken_for_each_other(path, snapshot, tmp_path):
    other = make_content(ptrs={"10.0.7.1": "other.example.com"})
    write_snapshot_file(path + ".new", Meta(2, b"", b"", other.zones, (), ()), other)
    os.rename(path + ".new", path)  # the first one goes on without a name
    second = open_snapshot(path)
    for each in (snapshot, second, snapshot):
        shelf = each.find_shelf(SHELVES[7])
        whole, begin = each.locate(shelf)
        assert whole[begin : begin + len(shelf)] == bytes(shelf)
    second.close()


def test_a_system_that_does_not_tell_its_maps_leaves_the_view(snapshot, monkeypatch):
    monkeypatch.setattr(mapped_file, "_MAPS", "/nowhere/maps")
    shelf = snapshot.find_shelf(SHELVES[0])
    assert snapshot.locate(shelf) == (shelf, 0)


def test_a_file_that_cannot_be_mapped_is_no_snapshot(path, monkeypatch):
    def refuse(_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(snapshots, "MappedFile", refuse)
    with pytest.raises(StoreError, match="cannot be opened: Too many open files"):
        open_snapshot(path)


def test_octets_that_are_in_no_map_of_the_file_have_no_place(path):
    mapped = MappedFile(path)
    assert mapped.locate(memoryview(b"of another origin")) is None
    mapped.close()
