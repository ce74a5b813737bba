"""Logs at rest and on the move: their lines' ends, rotations."""

import io
import os
import threading
from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks import log_files
from blackhole_guard.leaks.evidence import Certainty, EvidenceError
from blackhole_guard.leaks.log_files import FollowedLog, LogCounts, read_blocks, read_log
from blackhole_guard.leaks.query_logs import LONGEST_LINE

LINE = b"client @0x7f 10.0.0.5#50161 (3.0.0.10.in-addr.arpa): query: 3.0.0.10.in-addr.arpa IN PTR + (10.0.0.53)"


def read(octets):
    return lines_of(read_blocks(io.BytesIO(octets).read))


def lines_of(blocks):
    """The lines of whole blocks: each has its end."""
    octets = b"".join(blocks)
    assert not octets or octets.endswith(b"\n")
    return octets.split(b"\n")[:-1]


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
def test_the_lines_of_a_file(content, lines):
    assert [line[:LONGEST_LINE] for line in read(content)] == lines


@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line), max_size=30), st.integers(1, 50))
def test_where_blocks_end_makes_no_difference(lines, size):
    octets = b"|" + b"".join(line + b"\n" for line in lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_files, "_BLOCK", size)
        assert read(octets) == ([b"|" + lines[0], *lines[1:]] if lines else [b"|"])


class Followed:
    """A log that is followed, a turn at a time."""

    def __init__(self, path):
        with path.open("rb") as file:
            self.log = FollowedLog(str(path), file.fileno())
        self._turns = self.log.blocks()

    def new_lines(self):
        """What there is now."""
        seen = [*takewhile(bool, self._turns)]
        seen += takewhile(bool, self._turns)  # once more: a look for a successor lies between
        return lines_of(seen)


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


@pytest.mark.parametrize("truncate", [False, True], ids=["renamed", "truncated"])
def test_a_last_line_that_was_not_ended_is_a_line_once_there_is_another_file(path, truncate):
    path.write_bytes(b"one\ntwo\nthree")
    followed = Followed(path)
    assert followed.new_lines() == [b"one", b"two"]
    if not truncate:
        path.rename(path.with_suffix(".1"))
    path.write_bytes(b"four\n")
    assert followed.new_lines() == [b"three", b"four"]


def test_a_successor_that_is_a_pipe_does_not_hold_us_up(path):
    path.write_bytes(b"one\n")
    followed = Followed(path)
    assert followed.new_lines() == [b"one"]
    path.unlink()
    os.mkfifo(path)
    thread = threading.Thread(target=followed.new_lines)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


def read_all(octets):
    """The leaks and the counts of a log."""
    leaks, counts = [], LogCounts()
    read_log(read_blocks(io.BytesIO(octets).read), lambda: 0.0, leaks.append, counts)
    return leaks, counts


ELSEWHERE = LINE.replace(b"3.0.0.10.in-addr.arpa", b"www.example.com")


def test_leaks_are_reported_and_lines_counted():
    leaks, counts = read_all(b"nothing\n" + LINE + b"\n" + ELSEWHERE + b"\n")
    assert (counts.lines, counts.understood) == (3, 1)
    assert [leak.certainty for leak in leaks] == [Certainty.POSSIBLE]


def test_a_log_of_other_names_is_one_without_leaks():
    assert read_all(ELSEWHERE)[0] == []


@pytest.mark.parametrize("octets", [b"", b"\n", b"nothing\n", b"3.0.0.10.in-addr.arpa\n" * 3])
def test_where_no_line_is_understood_nothing_is_known(octets):
    with pytest.raises(EvidenceError, match="no line was understood") as caught:
        read_all(octets)
    assert not caught.value.is_started


def test_what_was_read_before_damage_stands():
    def blocks():
        yield LINE + b"\n" + LINE + b"\n"
        raise EvidenceError("damaged")

    leaks, counts = [], LogCounts()
    with pytest.raises(EvidenceError, match="damaged"):
        read_log(blocks(), lambda: 0.0, leaks.append, counts)
    assert (len(leaks), counts.lines, counts.understood) == (2, 2, 1)
