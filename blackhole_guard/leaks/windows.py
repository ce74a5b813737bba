"""Sliding windows: what was counted in the last five minutes, hour and day.

A window is made of panes, and slides by one: the open ones, which are still counted into, and closed ones of a tenth to
a twenty-fourth of its length. When a pane closes, what it has is added to the open pane of the next larger kind, so
each thing is counted once and merged a few times. A window shows its whole length and up to one pane more, never less.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Generic, NamedTuple, Protocol, Self, TypeVar


class Window(StrEnum):
    """How far back a window reaches."""

    MINUTES = "5m"
    HOUR = "1h"
    DAY = "1d"


class _Kind(NamedTuple):
    """The panes of a window."""

    seconds: int  # of each; a multiple of those of the smaller kinds
    panes: int  # to the whole window


KINDS = {Window.MINUTES: _Kind(30, 10), Window.HOUR: _Kind(300, 12), Window.DAY: _Kind(3600, 24)}  # the smallest first
WINDOWS = tuple(KINDS)
MAX_CLOSED = sum(kind.panes + 1 for kind in KINDS.values())  # panes at most that are closed and shown


class Mergeable(Protocol):
    """What is in a pane."""

    def merge(self, other: Self) -> None:
        """Add what is in another pane."""

    def pack(self) -> bytes:
        """Give it as octets, which take less room."""


_Content = TypeVar("_Content", bound=Mergeable)


class ClosedPane(NamedTuple):
    """A pane that nothing is added to any more."""

    start: int  # unix seconds
    octets: bytes  # its content, packed


class OpenPane(NamedTuple, Generic[_Content]):
    """A pane that is added to."""

    start: int  # unix seconds
    content: _Content


class Windows(Generic[_Content]):
    """The panes of all windows. `now` is unix seconds.

    A clock that was set back opens a new pane. Panes that begin in the future by then are dropped: nobody knows when
    what is in them happened.
    """

    def __init__(self, make: Callable[[], _Content], unpack: Callable[[bytes], _Content]) -> None:
        """Begin with nothing.

        Args:
            make: makes the content of an empty pane.
            unpack: the inverse of `pack`; what it raises, `merged` raises.
        """
        self._make = make
        self._unpack = unpack
        self._open: list[OpenPane[_Content] | None] = [None for _ in WINDOWS]
        self._closed: list[deque[ClosedPane]] = [deque(maxlen=kind.panes + 1) for kind in KINDS.values()]

    def current(self, now: float) -> _Content:
        """Give what is to be added to now. Not to be kept: the pane may close."""
        self.close(now)
        pane = self._open[0]
        if pane is None:
            pane = self._open[0] = OpenPane(_start(0, now), self._make())
        return pane.content

    def close(self, now: float) -> None:
        """Close the panes that are over, the smallest first: the larger ones get what they have."""
        for level, pane in enumerate(self._open):
            if pane is not None and pane.start != _start(level, now):
                self._close(level, pane)
        for window, closed in zip(WINDOWS, self._closed, strict=True):
            since = self.since(window, now)
            # All of them: behind a pane of the future, older ones may stand that are long over.
            shown = [pane for pane in closed if since <= pane.start <= now]
            if len(shown) < len(closed):
                closed.clear()
                closed.extend(shown)

    def since(self, window: Window, now: float) -> int:
        """Say when what a window shows begins: a pane's start."""
        kind = KINDS[window]
        return int(now - kind.seconds * kind.panes) // kind.seconds * kind.seconds

    def merged(self, window: Window, now: float) -> _Content:
        """Give all that a window shows, merged."""
        *_, whole = self.merge(window, now)
        return whole

    def merge(self, window: Window, now: float) -> Iterator[_Content]:
        """Do the same in steps, each of one pane that is closed: who has other work, too, may do it between them.

        Yields:
            What is merged by then, at least once; the last time it is all that the window showed at the first step.
        """
        self.close(now)
        level = WINDOWS.index(window)
        whole, closed = self._make(), tuple(self._closed[level])
        for pane in self._open[level::-1]:
            if pane is not None:
                whole.merge(pane.content)
        yield whole
        for each in closed:
            whole.merge(self._unpack(each.octets))
            yield whole

    def panes(self) -> Iterator[tuple[Window, bool, ClosedPane]]:
        """Give all panes: of which window, whether closed, and what is in it."""
        for window, pane, closed in zip(WINDOWS, self._open, self._closed, strict=True):
            for each in closed:
                yield window, True, each
            if pane is not None:
                yield window, False, ClosedPane(pane.start, pane.content.pack())

    def restore(self, panes: Iterable[tuple[Window, bool, ClosedPane]], now: float) -> None:
        """Take what `panes` gave, in place of what there is; what is not of the windows' time is left out.

        Each pane is unpacked once, so that what `merged` shows later cannot fail.
        """
        for window, is_closed, pane in sorted(panes, key=lambda each: each[2].start):
            level, content = WINDOWS.index(window), self._unpack(pane.octets)
            if pane.start > now:
                continue
            if is_closed:
                self._closed[level].append(pane)
            else:
                self._open[level] = OpenPane(pane.start, content)
        self.close(now)

    def _close(self, level: int, pane: OpenPane[_Content]) -> None:
        self._open[level] = None
        self._closed[level].append(ClosedPane(pane.start, pane.content.pack()))
        above = level + 1
        if above == len(WINDOWS):
            return
        start, wider = _start(above, pane.start), self._open[above]
        if wider is not None and wider.start != start:
            self._close(above, wider)
            wider = None
        if wider is None:
            wider = self._open[above] = OpenPane(start, self._make())
        wider.content.merge(pane.content)


def _start(level: int, when: float) -> int:
    """Say when the pane begins that a time is in."""
    seconds = KINDS[WINDOWS[level]].seconds
    return int(when) // seconds * seconds
