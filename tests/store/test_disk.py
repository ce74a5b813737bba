"""What reaches the disk, asked of the kernel and of a file that cannot be synced."""

import ctypes
import os

import pytest

from blackhole_guard.store import disk
from blackhole_guard.store.disk import sync_gently


def test_the_pieces_cover_the_file(tmp_path, monkeypatch):
    begun, synced = [], []
    monkeypatch.setattr(disk, "_find_begin", lambda: lambda *asked: begun.append(asked) or 0)
    monkeypatch.setattr(os, "fsync", synced.append)
    length = 3 * disk._PIECE + 1
    sync_gently(7, length)
    assert synced == [7]
    assert [(fd, flags) for fd, _, _, flags in begun] == [(7, 2)] * 4
    assert [position for _, position, _, _ in begun] == [0, disk._PIECE, 2 * disk._PIECE, 3 * disk._PIECE]
    assert all(size == disk._PIECE for _, _, size, _ in begun)


def test_the_kernel_takes_the_call(tmp_path):
    octets = os.urandom(5 * disk._PIECE + 77)
    with open(tmp_path / "file", "wb", buffering=0) as file:
        file.write(octets)
        begin = disk._find_begin()
        assert begin is not None and begin(file.fileno(), 4 * disk._PIECE, disk._PIECE, 2) == 0
        assert begin(file.fileno(), -1, disk._PIECE, 2) == -1
        sync_gently(file.fileno(), len(octets))
    assert (tmp_path / "file").read_bytes() == octets


def test_a_file_system_without_it_and_a_system_without_it_are_synced_whole(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    asked = []
    monkeypatch.setattr(disk, "_find_begin", lambda: lambda *words: asked.append(words) or -1)
    sync_gently(3, 10 * disk._PIECE)
    assert (synced, len(asked)) == ([3], 1)

    class Other:
        """A C library that has no sync_file_range."""

    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", synced.append)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Other())
    sync_gently(4, 10 * disk._PIECE)
    assert synced == [3, 4]


def test_what_the_disk_says_is_told():
    reader, writer = os.pipe()
    try:
        with pytest.raises(OSError, match="Invalid argument"):
            sync_gently(writer, 1)
    finally:
        os.close(reader)
        os.close(writer)
