"""Logs at rest and on the move: their ends, rotations, compression."""

import gzip
import os
import threading
from itertools import chain, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks import log_files
from blackhole_guard.leaks.evidence import Certainty, EvidenceError
from blackhole_guard.leaks.log_files import LogCounts, LogFile, read_log
from blackhole_guard.leaks.query_logs import LONGEST_LINE

LINE = b"client @0x7f 10.0.0.5#50161 (3.0.0.10.in-addr.arpa): query: 3.0.0.10.in-addr.arpa IN PTR + (10.0.0.53)"


def read(path):
    with LogFile(str(path)) as log:
        return list(chain.from_iterable(log.lines()))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "named.log"


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"one\ntwo\n", [b"one", b"two"]),
        (b"one\ntwo", [b"one", b"two"]),
        (b"\n\n", [b"", b""]),
        (b"x" * 20_000 + b"\ntwo\n", [b"x" * LONGEST_LINE, b"two"]),
        (b"x" * 3_000_000 + b"\ntwo\n" + b"y" * 3_000_000, [b"x" * LONGEST_LINE, b"two", b"y" * LONGEST_LINE]),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_lines_of_a_file(path, content, lines, packed):
    path.write_bytes(gzip.compress(content) if packed else content)
    assert [line[:LONGEST_LINE] for line in read(path)] == lines


def test_a_compressed_file_of_several_members(path):
    path.write_bytes(gzip.compress(b"one\ntw") + gzip.compress(b"o\n"))
    assert read(path) == [b"one", b"two"]


@pytest.mark.parametrize("damage", [lambda octets: octets[:-9], lambda octets: octets[:40] + b"\xff" * 40])
def test_a_damaged_one_is_told_after_what_was_read(path, damage):
    path.write_bytes(damage(gzip.compress(os.urandom(500) + b"\n" + os.urandom(500))))
    with LogFile(str(path)) as log, pytest.raises(EvidenceError):
        list(log.lines())


def test_a_compressed_file_is_not_followed(path):
    path.write_bytes(gzip.compress(b"one\n"))
    with LogFile(str(path)) as log, pytest.raises(EvidenceError, match="not followed"):
        next(log.lines(follow=True))


@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line), max_size=30), st.integers(1, 50))
def test_where_blocks_end_makes_no_difference(tmp_path_factory, lines, size):
    path = tmp_path_factory.mktemp("log") / "x.log"
    path.write_bytes(b"|" + b"".join(line + b"\n" for line in lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_files, "_BLOCK", size)
        expected = [b"|" + lines[0], *lines[1:]] if lines else [b"|"]
        assert read(path) == expected


class Followed:
    """A log that is followed, a turn at a time."""

    def __init__(self, path):
        self.log = LogFile(str(path))
        self._turns = self.log.lines(follow=True)

    def new_lines(self):
        """What there is now."""
        seen = [*takewhile(bool, self._turns)]
        seen += takewhile(bool, self._turns)  # once more: a look for a successor lies between
        return [*chain.from_iterable(seen)]


def test_a_log_is_followed_while_it_grows(path):
    path.write_bytes(b"one\ntw")
    followed = Followed(path)
    assert followed.new_lines() == [b"one"]
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
    assert followed.new_lines() == [b"two", b"three"]


def test_and_through_a_rotation_that_renames_it(path):
    path.write_bytes(b"one\n")
    followed = Followed(path)
    assert followed.new_lines() == [b"one"]
    old = path.with_suffix(".1")
    path.rename(old)
    assert followed.new_lines() == []
    with old.open("ab") as file:
        file.write(b"two\n")  # its writer has not noticed yet
    assert followed.new_lines() == [b"two"]
    path.write_bytes(b"three\n")
    assert followed.new_lines() == [b"three"]


def test_and_one_that_truncates_it(path):
    path.write_bytes(b"one\ntwo\n")
    followed = Followed(path)
    assert followed.new_lines() == [b"one", b"two"]
    path.write_bytes(b"three\n")
    assert followed.new_lines() == [b"three"]


def test_leaks_are_reported_and_lines_counted(path):
    path.write_bytes(b"nothing\n" + LINE + b"\n" + LINE.replace(b"3.0.0.10.in-addr.arpa", b"www.example.com") + b"\n")
    leaks, counts = [], LogCounts()
    with LogFile(str(path)) as log:
        read_log(log, leaks.append, counts)
        assert log.position() == log.size
    assert (counts.lines, counts.leaks) == (3, 1)
    assert [leak.certainty for leak in leaks] == [Certainty.POSSIBLE]


def test_a_pipe_without_a_writer_does_not_hold_us_up(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    thread = threading.Thread(target=read, args=(tmp_path / "pipe",))
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
