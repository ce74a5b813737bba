"""Capture files, read for what goes to the sinks and comes from them: unpacked if need be, sifted by libpcap if it can.

libpcap sifts 5 to 20 times faster than Python walks. But it takes one link type for a whole file, needs a file that can
be read again should it give up, and may not be there at all: then `pcap_files` reads everything. Both give the same
frames. This module reads descriptors, with a thread or two: a capture has millions of frames, and C must pass over most
of them.
"""

import os
import stat
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from time import time

from blackhole_guard.leaks import compression, pcap_files
from blackhole_guard.leaks.compression import Decompressed, is_compressed, unpack
from blackhole_guard.leaks.evidence import EvidenceError
from blackhole_guard.leaks.frames import Frame, is_known
from blackhole_guard.leaks.libpcap import Libpcap, Sieve, grow_pipe
from blackhole_guard.leaks.packet_filter import is_to_or_from_a_sink, make_filter
from blackhole_guard.leaks.pcap_files import Format, Read, find_format, read_frames

_CHUNK = 1 << 18  # octets
# Octets that are looked at: what is no text has a NUL among them. Logs may have runs of NULs, too: at their beginning
# where they were truncated while somebody wrote, and behind it after a loss of power.
_BEGINNING = 4096


class Evidence:
    """A file that may be a capture or a log, compressed or not; its first octets say what it is."""

    def __init__(self, descriptor: int) -> None:
        """Look at a file. `descriptor`: open for reading, at the file's beginning; it stays the caller's.

        Raises:
            EvidenceError: it cannot be unpacked. OSError: or read.
        """
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        self.size = (
            status.st_size if stat.S_ISREG(status.st_mode) else None
        )  # octets; None: that of a pipe is not known
        self.start = b""  # its first octets, unpacked: what tells its kind
        self._read = self._open()
        while len(self.start) < pcap_files.MAGIC and (more := self._read(_CHUNK)):
            self.start += more

    def _open(self) -> Read:
        """Begin to read, unpacked, what comes behind `start`."""
        read = _after(b"", self._descriptor)
        start = b""
        while len(start) < compression.MAGIC and (more := read(_CHUNK)):
            start += more
        self.is_compressed = is_compressed(start)
        if self.is_compressed:
            return Decompressed(start, read).read
        return _after(start, self._descriptor)

    @property
    def format(self) -> Format | None:
        """What capture it is; None: it is none."""
        return find_format(self.start)

    @property
    def is_text(self) -> bool:
        """Whether it begins as a log may."""
        beginning = self.start.lstrip(b"\0")[:_BEGINNING]
        return bool(beginning) and self.format is None and b"\0" not in beginning

    def newest(self) -> float:
        """Say when it was last written to, unix seconds; of a pipe that is now."""
        return time() if self.size is None else os.fstat(self._descriptor).st_mtime

    def position(self) -> int:
        """Say how far it was read, in octets of `size`."""
        return os.lseek(self._descriptor, 0, os.SEEK_CUR)

    def read(self, size: int) -> bytes:
        """Read it as octets, unpacked: `size` at most; none: the end. Raises EvidenceError: it is damaged."""
        if self.start:
            octets, self.start = self.start[:size], self.start[size:]
            return octets
        return self._read(size)

    def frames(self, libpcap: Libpcap | None) -> Generator[Frame, None, None]:
        """Read a capture's frames to and from the sinks' addresses.

        Args:
            libpcap: None: do without it.
        Raises:
            EvidenceError: it is no capture, damaged, cut off, or has frames of which nothing is known; what is there
            was yielded before.
        """
        form, sifted = self.format, 0
        if libpcap is not None and self.size is not None:
            sieve = _Sifting(libpcap, self._descriptor, is_compressed=self.is_compressed)
            for frame in sieve.frames():
                sifted += 1
                yield frame
            if not sieve.has_failed:
                return
            self.rewind()
            if sieve.has_begun and form is Format.PCAP:
                # Where libpcap stops in a pcap, nobody could go on. Only the place is left to find, and no frame to
                # look into: five times as fast as to read all of it again.
                for _ in read_frames(self.read, select=False):
                    pass
                self.rewind()  # so there was no such place
        yield from self._walk(sifted)

    def rewind(self) -> None:
        """Go back to the beginning of a file (not of a pipe)."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self.start = b""
        self._read = self._open()

    def _walk(self, skip: int) -> Iterator[Frame]:
        """Read frames in Python, and leave out the first `skip` that are wanted."""
        unknown: set[int] = set()

        def select(link_type: int, octets: bytes) -> bool:
            if not is_known(link_type):
                unknown.add(link_type)
            return is_to_or_from_a_sink(link_type, octets)

        for number, frame in enumerate(read_frames(self.read, select)):
            if number >= skip:
                yield frame
        if unknown:
            types = ", ".join(map(str, sorted(unknown)[:8]))
            raise EvidenceError(f"frames of a link layer that is not known (LINKTYPE {types}) were passed over")


def _after(start: bytes, descriptor: int) -> Read:
    """Give `start`, then what the descriptor gives."""
    left = [start] if start else []

    def read(size: int) -> bytes:
        return left.pop() if left else os.read(descriptor, size)

    return read


class _Sifting:
    """A file that libpcap reads: itself, or from a pipe that a process unpacks it into."""

    def __init__(self, libpcap: Libpcap, descriptor: int, *, is_compressed: bool) -> None:
        self._libpcap = libpcap
        self._descriptor = descriptor
        self._is_compressed = is_compressed
        self.has_begun = False  # to read packets
        self.has_failed = False  # before the end, for whatever reason

    def frames(self) -> Iterator[Frame]:
        """Give what libpcap does."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        with ExitStack() as stack:
            # Who has a duplicate of a descriptor moves its position: `position` of the file shows how far they are.
            unpacking = _Unpacking(self._descriptor) if self._is_compressed else None
            given = os.dup(self._descriptor) if unpacking is None else unpacking.output
            if unpacking is not None:
                stack.callback(unpacking.stop)
            try:
                sieve = Sieve(self._libpcap, given, make_filter)
                stack.callback(sieve.close)
                self.has_begun = True
                if unpacking is not None:
                    stack.callback(unpacking.stop)  # before libpcap's thread can end, which reads what it gives
                yield from read_frames(sieve.read)
                self.has_failed = sieve.failure() is not None or (unpacking is not None and unpacking.has_failed())
            except EvidenceError:
                self.has_failed = True


class _Unpacking:
    """A process that unpacks a file into a pipe: a thread would wait for its turn with Python at each piece."""

    def __init__(self, descriptor: int) -> None:
        self.output, given = os.pipe()  # who takes `output` closes it
        grow_pipe(given)
        try:
            self._process = subprocess.Popen(
                # -P: what lies beside a capture is not imported.
                [sys.executable, "-P", "-c", f"from {unpack.__module__} import unpack; unpack()"],
                stdin=descriptor,
                stdout=given,
                stderr=subprocess.DEVNULL,
            )
        finally:
            os.close(given)

    def has_failed(self) -> bool:
        """Wait for its end; say whether it came too early."""
        return self._process.wait() != 0

    def stop(self) -> None:
        """Have it end at once."""
        self._process.kill()
        self._process.wait()
