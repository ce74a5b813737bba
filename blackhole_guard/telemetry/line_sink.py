"""Writes whole lines to wherever standard error leads, and never waits for who reads them.

The descriptor's own flags stay as they are: O_NONBLOCK belongs to the open file, so setting it would change the
terminal of whoever started us, too.
"""

import contextlib
import os
import select
import socket
import stat
from collections.abc import Callable
from typing import IO

_AGAIN = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_APPEND


class LineSink:
    """A terminal, pipe, socket or file. Made before privileges are dropped: another user may not reopen a pipe."""

    def __init__(self, stream: IO[str]) -> None:
        """Find out what the stream is.

        Args:
            stream: its descriptor is used, its buffer is not. It stays open as long as this.
        """
        self._stream = stream
        self._torn = False  # the last line was cut in the middle
        self._ours = contextlib.ExitStack()  # what we opened
        self._write = _find_writer(stream.fileno(), self._ours)

    def write(self, line: bytes) -> bool:
        """Write one line, which ends in a newline.

        Returns:
            False: it is lost, or a part of it, because there is no room, or nobody there.
        """
        try:
            data = b"\n" + line if self._torn else line
            written = self._write(data)
        except OSError:
            return False
        # A pipe takes all of a line or nothing (pipe(7), PIPE_BUF); a terminal or a socket may take a part.
        self._torn = written < len(data)
        return not self._torn

    def close(self) -> None:
        """Close what was opened here; the stream itself stays open."""
        self._ours.close()


def _find_writer(descriptor: int, ours: contextlib.ExitStack) -> Callable[[bytes], int]:
    """Choose how to write without waiting: a socket is told at each call, a pipe or terminal is opened once more."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(mode):  # journald's
        sock = ours.enter_context(socket.socket(fileno=os.dup(descriptor)))
        return lambda data: sock.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        with contextlib.suppress(OSError):  # no /proc, another user's terminal, one of another mount namespace
            own = os.open(f"/proc/self/fd/{descriptor}", _AGAIN)
            ours.callback(os.close, own)
            return lambda data: os.write(own, data)
        return lambda data: _write_when_ready(descriptor, data)
    return lambda data: os.write(descriptor, data)  # a file has room, or says at once that it has none


def _write_when_ready(descriptor: int, data: bytes) -> int:
    """Write if there is room. Second best: who shares the pipe may fill it between the look and the write."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if poll.poll(0) != [(descriptor, select.POLLOUT)]:
        raise BlockingIOError
    return os.write(descriptor, data)
