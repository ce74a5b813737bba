"""The files that query logs are in: read to their end, or followed through rotations. This module does I/O.

A log that is followed may be renamed (a new one takes its name) or truncated (logrotate's `copytruncate`); it is looked
at four times a second. Left out: unpacking, which is for whoever opens a file (`captures.Evidence`).
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from blackhole_guard.leaks.evidence import EvidenceError, Report, judge
from blackhole_guard.leaks.log_times import LogTimes
from blackhole_guard.leaks.query_logs import LONGEST_LINE, LogReader, pick_lines

_BLOCK = 1 << 18  # octets
NOT_UNDERSTOOD = "no line was understood: query logs of BIND, Unbound, dnsmasq and systemd-resolved can be read"
_PAUSE = 0.25  # seconds between looks at a file that has no more to read


@dataclass(slots=True)
class LogCounts:
    """What was read."""

    lines: int = 0
    understood: int = 0  # logs with a line, at least, of a form that is known


class _Lines:
    """Makes whole lines of octets, each with its end; what is too long is cut."""

    def __init__(self) -> None:
        self._rest = b""  # of a line whose end has not come
        self._is_skipping = False  # the rest of a line that is too long

    def complete(self, block: bytes) -> bytes:
        """Give the lines that a block completes."""
        if self._is_skipping:
            _, end, block = block.partition(b"\n")
            self._is_skipping = not end
        lines, end, rest = (self._rest + block).rpartition(b"\n")
        if len(rest) > LONGEST_LINE:
            lines, end, rest = lines + end + rest[:LONGEST_LINE], b"\n", b""
            self._is_skipping = True
        self._rest = rest
        return lines + end

    def end(self) -> bytes:
        """Give what stands behind the last line's end as a line: no more comes. Then another file may begin."""
        rest = self._rest + b"\n" if self._rest else b""
        self._rest, self._is_skipping = b"", False
        return rest


def read_blocks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Read whole lines, many at a time, each with its end (the last one of a file, too); what is too long is cut.

    Args:
        read: gives up to so many octets; none: the end. What it raises is raised.
    """
    lines = _Lines()
    while block := read(_BLOCK):
        yield lines.complete(block)
    if rest := lines.end():
        yield rest


class FollowedLog:
    """A log that grows, from its beginning. Use it as a context manager."""

    def __init__(self, path: str, descriptor: int) -> None:
        """Begin.

        Args:
            path: where its successor will be.
            descriptor: of the regular file that is there now; it stays the caller's.
        Raises:
            OSError: there is no descriptor left.
        """
        self._path = path
        self._descriptor = os.dup(descriptor)
        self._position = 0  # octets read of the file that is open
        os.lseek(self._descriptor, 0, os.SEEK_SET)

    def __enter__(self) -> "FollowedLog":
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._descriptor)

    def newest(self) -> float:
        """Say when it was last written to, unix seconds."""
        return os.fstat(self._descriptor).st_mtime

    def blocks(self) -> Iterator[bytes]:
        """Read lines as `read_blocks` does, for ever; an empty block says that there is nothing now.

        Raises:
            OSError: it cannot be read.
        """
        lines = _Lines()
        while True:
            block = os.read(self._descriptor, _BLOCK)
            self._position += len(block)
            yield lines.complete(block)
            if not block:
                time.sleep(_PAUSE)
                if self._find_successor() and (rest := lines.end()):
                    yield rest  # of a line that its writer did not end

    def _find_successor(self) -> bool:
        """Look whether another file has taken the place of this one, or it begins anew."""
        here = os.fstat(self._descriptor)
        if here.st_size < self._position:  # truncated
            self._position = os.lseek(self._descriptor, 0, os.SEEK_SET)
            return True
        try:
            there = os.stat(self._path)
            if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino) or here.st_size > self._position:
                return False  # the same, or its last lines came while we slept
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not hold us up
        except OSError:  # it will be there again
            return False
        os.close(self._descriptor)
        self._descriptor, self._position = descriptor, 0
        return True


def read_log(blocks: Iterable[bytes], newest: Callable[[], float], report: Report, counts: LogCounts) -> None:
    """Read one log and report the leaks that it shows.

    Args:
        blocks: as `read_blocks` gives them; what that raises is raised, and what was reported before stands.
        newest: says when the log was last written to, unix seconds.
        counts: is kept up to date, so that whoever interrupts this knows how far it came.
    Raises:
        EvidenceError: not one line was understood, so that there are no leaks says nothing.
    """
    times = LogTimes(newest())
    reader = LogReader(times)
    try:
        for block in blocks:
            if block:
                times.set_newest(newest())
            counts.lines += block.count(b"\n")
            # Until a line was understood each one is looked at, whatever it is about.
            for line in pick_lines(block) if reader.has_understood else block.split(b"\n")[:-1]:
                found = reader.read(line)
                leak = None if found is None else judge(found.sighting, found.certainty)
                if leak is not None:
                    report(leak)
    finally:
        counts.understood += reader.has_understood
    if not reader.has_understood:
        raise EvidenceError(NOT_UNDERSTOOD, is_started=False)
