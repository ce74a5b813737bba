import errno
import os
import stat
import subprocess
import sys

import pytest
from store_content import make_content, rows_of

from blackhole_guard.store.content import Content
from blackhole_guard.store.errors import StoreError
from blackhole_guard.store.snapshot import open_snapshot
from blackhole_guard.store.snapshot_file import (
    FORMAT,
    Meta,
    check_snapshot_file,
    make_room,
    put_in_place,
    write_snapshot_file,
)

CONTENT = make_content(ptrs={f"10.0.{n >> 8}.{n & 255}": f"host-{n}.example.com" for n in range(3000)})
META = Meta(1, b"", b"", CONTENT.zones, CONTENT.cuts, CONTENT.hosts)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "snapshot.mdb.new")


@pytest.fixture
def written(path):
    write_snapshot_file(path, META, CONTENT)
    return path


def test_a_written_file_is_whole_and_has_its_checksum(path):
    checksum = write_snapshot_file(path, META, CONTENT)
    assert check_snapshot_file(path, deeply=True) == checksum == check_snapshot_file(path, deeply=False)
    assert check_snapshot_file(path + "x", deeply=True) is None


def test_others_cannot_read_it_whatever_the_umask(path):
    before = os.umask(0o777)
    try:
        write_snapshot_file(path, META, CONTENT)
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640


def test_what_is_left_of_an_attempt_is_written_over(path):
    with open(path, "wb") as file:
        file.write(b"half a snapshot" * 10000)
    write_snapshot_file(path, META, CONTENT)
    assert check_snapshot_file(path, deeply=True) is not None


def test_no_cut_of_a_file_passes_for_a_whole_one(written, tmp_path):
    with open(written, "rb") as file:
        data = file.read()
    short = str(tmp_path / "short.mdb")
    for length in (0, 1, 23, 24, 100, 4095, 4096, 8192, 8193, len(data) // 2, len(data) - 24, len(data) - 1):
        with open(short, "wb") as file:
            file.write(data[:length])
        with pytest.raises(StoreError, match=r"is not whole|is broken"):
            open_snapshot(short)
    with open(short, "wb") as file:  # a hole in the middle: the trailer is there, the pages are not
        file.write(data[:4096] + data[-24:])
    with pytest.raises(StoreError, match="is broken"):
        open_snapshot(short)


def test_no_flipped_octet_passes_the_deep_look(written):
    size = os.path.getsize(written)
    for position in (*range(0, size - 24, 4099), size - 25, size - 4, size - 1):
        with open(written, "r+b") as file:
            file.seek(position)
            octet = file.read(1)[0]
            file.seek(position)
            file.write(bytes((octet ^ 0x40,)))
        with pytest.raises(StoreError, match=r"is broken|is not whole"):
            check_snapshot_file(written, deeply=True)
        with open(written, "r+b") as file:
            file.seek(position)
            file.write(bytes((octet,)))
    assert check_snapshot_file(written, deeply=True) is not None


def test_another_format_is_told(written):
    with open(written, "r+b") as file:
        file.seek(-16, os.SEEK_END)
        file.write((FORMAT + 1).to_bytes(4, "big"))
    with pytest.raises(StoreError, match=f"has the format {FORMAT + 1}, and this program reads {FORMAT}"):
        open_snapshot(written)


@pytest.mark.parametrize("kind", ["directory", "link", "garbage"])
def test_what_is_no_snapshot_is_told(tmp_path, kind):
    path = tmp_path / "s.mdb"
    if kind == "directory":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_bytes(os.urandom(20000))
    with pytest.raises(StoreError, match=r"cannot be read|is not whole"):
        open_snapshot(str(path))


def test_no_directory_is_told(tmp_path):
    with pytest.raises(StoreError, match="cannot be written: No such file or directory"):
        write_snapshot_file(str(tmp_path / "none" / "s.mdb"), META, CONTENT)


def test_a_map_that_is_too_small_grows(path, monkeypatch):
    monkeypatch.setattr("blackhole_guard.store.snapshot_file._SMALLEST_MAP", 1 << 15)
    monkeypatch.setattr("blackhole_guard.store.snapshot_file._ROW", 1)
    write_snapshot_file(path, META, CONTENT)
    snapshot = open_snapshot(path)
    assert list(snapshot.iter_rows()) == list(rows_of(CONTENT))
    snapshot.close()


def test_room_that_is_laid_out_in_large_pieces_is_no_part_of_the_file(written, tmp_path, monkeypatch):
    monkeypatch.setattr("blackhole_guard.store.snapshot_file._AT_ONCE", 1 << 14)
    monkeypatch.setattr("blackhole_guard.store.snapshot_file._LARGE", 1 << 17)
    path = str(tmp_path / "laid_out.mdb")
    sizes = []
    runs = CONTENT.runs

    def watch():
        for run in runs():
            sizes.append(os.path.getsize(path))
            yield run

    write_snapshot_file(path, META, Content(CONTENT.zones, CONTENT.cuts, CONTENT.hosts, watch))
    assert any(size > 1 << 14 and size % (1 << 17) == 0 for size in sizes)
    assert check_snapshot_file(path, deeply=True) is not None
    assert os.path.getsize(path) < os.path.getsize(written) + (1 << 15)  # a few pages for more transactions
    snapshot = open_snapshot(path)
    assert list(snapshot.iter_rows()) == list(rows_of(CONTENT))
    snapshot.close()


def test_a_file_that_may_not_grow_leaves_nothing(path):
    """The disk is full at a certain length: RLIMIT_FSIZE, in a process of its own."""
    program = (
        "import resource, signal, sys\n"
        "sys.path[:0] = sys.argv[3].split(':')\n"
        "from test_snapshot_file import CONTENT, META\n"
        "from blackhole_guard.store.errors import StoreError\n"
        "from blackhole_guard.store.snapshot_file import write_snapshot_file\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "limit = int(sys.argv[2])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
        "try:\n"
        "    write_snapshot_file(sys.argv[1], META, CONTENT)\n"
        "except StoreError as error:\n"
        "    print(error)\n"
    )
    for limit in (100, 8192, 50_000, 120_000):
        here = os.path.dirname(__file__)
        command = [sys.executable, "-c", program, path, str(limit), here]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert said.returncode == 0, said.stderr
        assert "cannot be written: " in said.stdout
        assert not os.path.exists(path)


@pytest.mark.root
def test_a_full_disk_leaves_nothing(tmp_path):
    mounted = tmp_path / "small"
    mounted.mkdir()
    for size in ("64k", "128k"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(mounted)], check=True)
        try:
            with pytest.raises(StoreError, match="cannot be written"):
                write_snapshot_file(str(mounted / "s.mdb"), META, CONTENT)
            assert list(mounted.iterdir()) == []
        finally:
            subprocess.run(["umount", str(mounted)], check=True)


def test_the_file_before_keeps_its_room_until_the_next_is_written(tmp_path):
    path, new, old = (str(tmp_path / name) for name in ("snapshot.mdb", "snapshot.mdb.new", "snapshot.mdb.old"))
    for generation in (1, 2, 3):
        make_room(path)
        assert not os.path.exists(old)
        write_snapshot_file(new, Meta(generation, b"", b"", CONTENT.zones, (), ()), CONTENT)
        before = os.stat(path).st_ino if generation > 1 else None
        put_in_place(new, path)
        assert open_generation(path) == generation
        assert (os.stat(old).st_ino if generation > 1 else None) == before


def open_generation(path):
    snapshot = open_snapshot(path)
    generation = snapshot.generation
    snapshot.close()
    return generation


def test_a_file_system_without_links_has_no_file_before(tmp_path, monkeypatch):
    def refuse(*paths):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    path, new = str(tmp_path / "snapshot.mdb"), str(tmp_path / "snapshot.mdb.new")
    for generation in (1, 2):
        write_snapshot_file(new, Meta(generation, b"", b"", CONTENT.zones, (), ()), CONTENT)
        put_in_place(new, path)
        assert open_generation(path) == generation
    assert sorted(each.name for each in tmp_path.iterdir()) == ["snapshot.mdb"]
