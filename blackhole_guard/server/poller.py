"""The supervisor's loop: descriptors to wait for, and nothing else. No threads, so that a fork is safe at any time."""

import selectors
from collections.abc import Callable
from typing import Protocol

Callback = Callable[[], None]


class HasFileno(Protocol):
    """Something with a descriptor."""

    def fileno(self) -> int:
        """The descriptor."""


Source = int | HasFileno


class Poller:
    """Calls back for descriptors that can be read, or written."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def watch(self, source: Source, callback: Callback, *, writing: bool = False) -> None:
        """Call back whenever `source` can be read, or written instead; replaces what was watched there."""
        events = selectors.EVENT_WRITE if writing else selectors.EVENT_READ
        if self.is_watched(source):
            self._selector.modify(source, events, callback)
        else:
            self._selector.register(source, events, callback)

    def is_watched(self, source: Source) -> bool:
        """Whether `source` is watched."""
        return source in self._selector.get_map()

    def forget(self, source: Source) -> None:
        """Watch no more. Call it before the descriptor is closed: a child may still have it open."""
        if self.is_watched(source):
            self._selector.unregister(source)

    def turn(self, seconds: float) -> None:
        """Wait for something to do, no longer than that, and do it."""
        for key, _ in self._selector.select(max(0.0, seconds)):
            if self._selector.get_map().get(key.fd) == key:  # a callback before may have ended it
                callback: Callback = key.data
                callback()

    def close(self) -> None:
        """Close the selector; what is watched stays open."""
        self._selector.close()
