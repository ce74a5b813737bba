"""The files that query logs are in: read to their end, or followed through rotations. This module does I/O.

A log that is followed may be renamed (a new one takes its name) or truncated (logrotate's `copytruncate`); it is looked
at four times a second. A compressed one (gzip) is read, but not followed.
"""

import os
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from blackhole_guard.leaks.evidence import EvidenceError, Report, judge
from blackhole_guard.leaks.log_times import LogTimes
from blackhole_guard.leaks.query_logs import LONGEST_LINE, LogReader

_BLOCK = 1 << 20  # octets
_PAUSE = 0.25  # seconds between looks at a file that has no more to read
_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib: a gzip header, the largest window


@dataclass(slots=True)
class LogCounts:
    """What was read."""

    lines: int = 0
    leaks: int = 0  # that were reported


class LogFile:
    """One log, open. Use it as a context manager."""

    def __init__(self, path: str) -> None:
        """Open it.

        Raises:
            OSError: it cannot be opened.
        """
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not hold us up
        self._position = 0  # octets read of the file that is open
        self._rest = b""  # of a line whose end has not come
        self._is_skipping = False  # the rest of a line that is too long

    def __enter__(self) -> "LogFile":
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._descriptor)

    @property
    def size(self) -> int:
        """Octets in the file."""
        return os.fstat(self._descriptor).st_size

    @property
    def newest(self) -> float:
        """When it was last written to, unix seconds."""
        return os.fstat(self._descriptor).st_mtime

    def position(self) -> int:
        """Octets that have been read."""
        return self._position

    def lines(self, *, follow: bool = False) -> Iterator[list[bytes]]:
        """Read lines, some at a time, without their ends; what is too long is cut.

        Args:
            follow: whether to wait for more at the end, for ever; an empty list says that there is nothing now.
        Raises:
            OSError: it cannot be read.
            EvidenceError: it is compressed and damaged, or to be followed.
        """
        block = self._read()
        if block.startswith(_GZIP):
            if follow:
                raise EvidenceError("a compressed file is not followed")
            yield from self._unpack(block)
        else:
            while block or follow:
                yield self._split(block)
                if not block:
                    time.sleep(_PAUSE)
                    self._find_successor()
                block = self._read()
        if self._rest:
            yield [self._rest]

    def _read(self) -> bytes:
        block = os.read(self._descriptor, _BLOCK)
        self._position += len(block)
        return block

    def _unpack(self, block: bytes) -> Iterator[list[bytes]]:
        """Read a file of one or more gzip members (RFC 1952 section 2.2)."""
        unpacker = zlib.decompressobj(_GZIP_WINDOW)
        try:
            while block:
                yield self._split(unpacker.decompress(block, _BLOCK))  # a small file may be a large one, so in pieces
                block = (unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail) or self._read()
                if block and unpacker.eof:
                    unpacker = zlib.decompressobj(_GZIP_WINDOW)
        except zlib.error as error:
            raise EvidenceError("the compressed file is damaged; what stands before the damage was read") from error
        if not unpacker.eof:
            raise EvidenceError("the compressed file is cut off; what is there was read")

    def _split(self, block: bytes) -> list[bytes]:
        lines = block.split(b"\n")
        lines[0] = self._rest + lines[0]
        rest = lines.pop()
        if lines and self._is_skipping:
            del lines[0]
            self._is_skipping = False
        if len(rest) > LONGEST_LINE and not self._is_skipping:
            lines.append(rest[:LONGEST_LINE])
            self._is_skipping = True
        self._rest = b"" if self._is_skipping else rest
        return lines

    def _find_successor(self) -> None:
        """Look whether another file has taken the place of this one, or it begins anew."""
        here = os.fstat(self._descriptor)
        if here.st_size < self._position:  # truncated
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            self._begin_anew()
            return
        try:
            there = os.stat(self._path)
            if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino) or here.st_size > self._position:
                return  # the same, or its last lines came while we slept
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:  # it will be there again
            return
        os.close(self._descriptor)
        self._descriptor = descriptor
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._position, self._rest, self._is_skipping = 0, b"", False


def read_log(log: LogFile, report: Report, counts: LogCounts, *, follow: bool = False) -> None:
    """Read a log and report the leaks that it shows.

    Args:
        counts: is kept up to date, so that whoever interrupts this knows how far it came.
        follow: whether to wait for more, for ever.
    Raises:
        OSError, EvidenceError: it could not be read (to its end); what was reported before stands.
    """
    times = LogTimes(log.newest)
    reader = LogReader(times)
    for lines in log.lines(follow=follow):
        if lines:
            times.set_newest(log.newest)
        counts.lines += len(lines)
        for line in lines:
            found = reader.read(line)
            leak = None if found is None else judge(found.sighting, found.certainty)
            if leak is not None:
                counts.leaks += 1
                report(leak)
