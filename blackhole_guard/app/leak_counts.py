"""How workers tell the observer of averted leaks: a pair of datagram sockets, made before the first fork.

All workers write to one end and never wait. The supervisor holds both ends, so what waits outlives an observer, and its
successor reads on. When the socket is full, a worker goes on counting and tries again when it next folds its counters.
"""

import os
import socket
from collections.abc import Callable

from blackhole_guard.answering.averted import AvertedLeaks
from blackhole_guard.leaks.counts import Sampling, render_counts

UNCOUNTED = "tops_uncounted"


class CountsPipe:
    """Both ends."""

    def __init__(self) -> None:
        self.reader, self.writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.reader.setblocking(False)
        self.writer.setblocking(False)

    def close(self) -> None:
        """Close both ends."""
        self.reader.close()
        self.writer.close()


class CountsSender:
    """A worker's end."""

    def __init__(self, writer: socket.socket, note_uncounted: Callable[[int], None]) -> None:
        """Begin to count.

        Args:
            writer: does not block.
            note_uncounted: told of how many averted leaks will never be in the tops.
        """
        self.averted = AvertedLeaks(draw_bits)
        self._writer = writer
        self._note_uncounted = note_uncounted
        self._waiting: list[bytes] = []  # messages that the socket had no room for

    def fold(self, now: float) -> None:
        """Send what was counted since the last time; `now`: monotonic seconds."""
        self.averted.adapt(now)
        if not self._waiting:
            counts, passed, one_in, lost = self.averted.take()
            if lost:
                self._note_uncounted(lost)
            self._waiting = list(render_counts(counts, Sampling(passed, one_in)))
            self._waiting.reverse()
        while self._waiting:
            try:
                self._writer.send(self._waiting[-1])
            except BlockingIOError:
                return
            self._waiting.pop()


def draw_bits(count: int) -> int:
    """Draw so many bits, up to 16. The module `random` would be half a megabyte of a worker's memory."""
    return int.from_bytes(os.urandom(2)) & (1 << count) - 1 if count else 0
