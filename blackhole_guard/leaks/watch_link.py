"""The way from `watch` to the observer: a unix socket that is written to when it takes something, and never waited for.

This module does I/O. What the socket has no room for waits here, up to a bound; what is beyond that is counted, and the
observer is told how much it was. An observer that ends is looked for again; what it had not read by then is lost.
"""

import socket
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum

from blackhole_guard.leaks.evidence import Leak
from blackhole_guard.leaks.frame_streams import Control, render_control, render_data
from blackhole_guard.leaks.traffic import Wait
from blackhole_guard.leaks.watch_reports import CONTENT_TYPE, MOST_LEAKS, MOST_WAITS, Lost, render_report
from blackhole_guard.reserved.shapes import Shape

_MOST_WAITING = 8192  # leaks, and as many waits; 8 MB at most: two rings full of frames
_PATIENCE = 60.0  # seconds without an observer after which nothing is kept for one
_FIRST_REST, _LONGEST_REST = 1.0, 30.0  # seconds between two attempts; longer where we are sent away at once
_SELDOM = 10.0  # seconds between two attempts once nothing is kept
_AT_ONCE = 1.0  # seconds: who is not welcome is sent away before


class State(Enum):
    """How it stands with the observer."""

    ABSENT = "no server to report to is there"
    BARRED = "may not connect to"  # where one may be
    CONNECTED = "reports to"
    SENT_AWAY = "was sent away by"  # by one that does not know our user, mostly


class WatchLink:
    """Tells the observer of leaks. All times are monotonic seconds."""

    def __init__(self, find_paths: Callable[[], Sequence[str]], tell: Callable[[State, str], None], now: float) -> None:
        """Look for an observer at once.

        Args:
            find_paths: says where its socket may be; the first one that somebody listens on counts.
            tell: told how it stands when that has changed, and with whom: a path, or none.
        """
        self.unsent = 0  # leaks that were not told of
        self._find_paths = find_paths
        self._tell = tell
        self._state: State | None = None
        self._socket: socket.socket | None = None
        self._path = ""
        self._leaks: deque[Leak] = deque()
        self._waits: deque[Wait] = deque()
        self._lost = Lost()  # that the observer was not told of
        self._message = b""  # that is being sent: kept whole, so that the next observer can have all of it
        self._output = b""  # the same, at first behind the start of the stream
        self._sent = 0  # octets of that
        self._carried = 0  # leaks in it
        self._since = now  # of the connection, or of its end
        self._next_try = self._now = now
        self._rest = _FIRST_REST
        self.turn(now)

    @property
    def has_connected(self) -> bool:
        """Whether there has been an observer."""
        return self._path != ""

    def add(self, leak: Leak) -> None:
        """Tell of a leak, soon."""
        if len(self._leaks) >= _MOST_WAITING or not self._is_kept:
            self._lose(1)
            return
        self._leaks.append(leak)
        if len(self._leaks) % MOST_LEAKS == 0:
            self._flush()

    def add_wait(self, wait: Wait) -> None:
        """Tell what became of a leak, soon; nothing, if it was for a part of an address."""
        if wait.leak.shape is not Shape.PARTIAL and len(self._waits) < _MOST_WAITING and self._is_kept:
            self._waits.append(wait)

    def turn(self, now: float, lost_frames: int = 0) -> None:
        """Send what there is to send, and look for an observer if there is none; call it about twice a second.

        Args:
            lost_frames: by the kernel, since it was called last.
        """
        self._now = now
        self._lost = Lost(self._lost.frames + lost_frames, self._lost.reports)
        if self._socket is not None:
            if self._has_ended(self._socket):
                self._hang_up()
            elif now - self._since >= _AT_ONCE:
                self._say(State.CONNECTED, self._path)
        if self._socket is None and now >= self._next_try:
            self._connect()
        if self._socket is None and now - self._since > _PATIENCE:
            self._give_up_waiting()
        self._flush()

    def close(self) -> None:
        """Send what can be sent at once, count the rest as not told of, and hang up."""
        self._flush()
        if self._sent < len(self._output):
            self._lose(self._carried)
        self._give_up_waiting()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def _is_kept(self) -> bool:
        return self._socket is not None or self._now - self._since <= _PATIENCE

    def _lose(self, number: int) -> None:
        self.unsent += number
        self._lost = Lost(self._lost.frames, self._lost.reports + number)

    def _give_up_waiting(self) -> None:
        self._lose(len(self._leaks))
        self._leaks.clear()
        self._waits.clear()

    def _connect(self) -> None:
        barred = ""
        for path in self._find_paths():
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.setblocking(False)
            try:
                sock.connect(path)
            except OSError as error:  # nobody there, or not for us, or too many that wait to be accepted
                sock.close()
                if isinstance(error, PermissionError):
                    barred = barred or path
                continue
            self._socket, self._path, self._since = sock, path, self._now
            self._message = self._message or self._render(even_if_empty=True)  # so that it knows that we are there
            self._output, self._sent = render_control(Control.START, CONTENT_TYPE) + self._message, 0
            if self._state is not State.SENT_AWAY:  # who is sent away again and again is told of it once
                self._say(State.CONNECTED, path)
            return
        self._next_try = self._now + (self._rest if self._is_kept else _SELDOM)
        self._say(State.BARRED if barred else State.ABSENT, barred)

    def _hang_up(self) -> None:
        """Take in that the observer has gone."""
        assert self._socket is not None
        self._socket.close()
        self._socket = None
        if self._now - self._since < _AT_ONCE:
            self._rest = min(2 * self._rest, _LONGEST_REST)
            self._say(State.SENT_AWAY, self._path)
        else:
            self._rest = _FIRST_REST
        self._since = self._now
        self._next_try = self._now + self._rest

    def _say(self, state: State, path: str) -> None:
        """Say how it stands, where that is news."""
        if state is not self._state:
            self._state = state
            self._tell(state, path)

    @staticmethod
    def _has_ended(sock: socket.socket) -> bool:
        """Say whether the other end has hung up; it never sends anything."""
        try:
            return sock.recv(1) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _flush(self) -> None:
        """Send until nothing is left, or nothing more is taken."""
        while self._socket is not None:
            if self._sent == len(self._output):
                self._message = self._output = self._render()
                self._sent = 0
                if not self._message:
                    return
            try:
                self._sent += self._socket.send(memoryview(self._output)[self._sent :])
            except BlockingIOError:
                return
            except OSError:
                self._hang_up()

    def _render(self, *, even_if_empty: bool = False) -> bytes:
        """Render the next message; nothing, if there is nothing to tell."""
        leaks = [self._leaks.popleft() for _ in range(min(len(self._leaks), MOST_LEAKS))]
        waits = [self._waits.popleft() for _ in range(min(len(self._waits), MOST_WAITS))]
        lost, self._lost = self._lost, Lost()
        self._carried = len(leaks)
        if not (leaks or waits or any(lost) or even_if_empty):
            return b""
        return render_data(render_report(leaks, waits, lost))
