"""Children of the supervisor, and signals: how processes begin and end.

A child is a fork that runs one function and ends with its result; it never returns into the supervisor's code. Signals
become flags that the loop reads when it comes around, so a thousand of one kind are one.
"""

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import NamedTuple

from blackhole_guard.server import system

EXIT_CRASHED = 70  # EX_SOFTWARE of sysexits.h: an exception that nobody expected

_HANDLED = (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
# A mistaken `kill -USR1` must not end a name server.
_IGNORED = (signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2)


class Signals:
    """The supervisor's signals. One per process, in its main thread."""

    def __init__(self) -> None:
        self._came: set[int] = set()
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)  # the flags count, not the octets
        for number in _HANDLED:
            signal.signal(number, lambda came, frame: self._came.add(came))
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)

    def fileno(self) -> int:
        """Readable when a signal came."""
        return self._reader.fileno()

    def take(self) -> set[int]:
        """Take the signals that came since the last time, each once."""
        try:
            while self._reader.recv(4096):
                pass
        except BlockingIOError:
            pass
        came, self._came = self._came, set()
        return came

    def close(self) -> None:
        """Close the descriptors; the handlers stay."""
        signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()


def fork_child(
    name: str,
    run: Callable[[], int],
    supervisor_oom: int = 0,
    *,
    first: Callable[[], None] | None = None,
    held: frozenset[signal.Signals] = frozenset(),
) -> int:
    """Start a child.

    Args:
        name: as `ps` shall show it, up to 15 octets.
        run: what it does; its result is the exit code. First it should close what is the supervisor's alone.
        supervisor_oom: how much rather than the supervisor the kernel shall kill it when memory is short.
        first: what it does before all else, such as to take another priority: its first steps touch much memory.
        held: signals that do not end it before it is ready for them: they wait until it unblocks them.
    Returns:
        The process id.
    """
    # A signal that meets the child before it has handlers of its own would be lost in a copy of ours.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _be_child(name, run, supervisor_oom, before | held, first)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _be_child(
    name: str, run: Callable[[], int], oom: int, mask: set[signal.Signals | int], first: Callable[[], None] | None
) -> None:
    """Run the function and end. Never returns."""
    code = EXIT_CRASHED
    try:
        if first is not None:
            first()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_DFL)
        # A terminal sends these to the whole group: what they mean is the supervisor's to say.
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        system.name_process(name)
        system.offer_to_oom_killer(oom)
        code = run()
    except BaseException:  # noqa: BLE001  # the edge of the process: said, and then over
        traceback.print_exc()
    finally:
        # Neither the supervisor's exit handlers nor its buffers are the child's.
        sys.stderr.flush()
        os._exit(code)


class Exit(NamedTuple):
    """A child that ended."""

    pid: int
    status: int  # as waitpid(2) gives it

    def __str__(self) -> str:
        if os.WIFSIGNALED(self.status):
            number = os.WTERMSIG(self.status)
            return f"killed by {signal.Signals(number).name if number in set(signal.Signals) else f'signal {number}'}"
        return f"exit code {os.waitstatus_to_exitcode(self.status)}"


def reap() -> Iterator[Exit]:
    """Take the children that ended. As process 1 of a container these may be others' orphans, too."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield Exit(pid, status)


def kill_child(pid: int, number: signal.Signals) -> None:
    """Send a signal to a child that has not been reaped: until then its process id is nobody else's."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:  # pragma: no cover  # a zombie takes signals; only a child that is none is not found
        return
