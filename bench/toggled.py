"""Ours, with tops that are switched on and off while it runs: python -m bench.toggled serve ...

Two processes of the same program differ by several per cent, by how their memory lies; what a part of it costs is only
seen within one. SIGUSR1 to a worker switches its tops on, as they are at the start, SIGUSR2 off. The time without them
does not count for them, so that they look at as much in a second as if they were always on.
"""

import signal
from time import monotonic
from types import FrameType
from typing import Any

from blackhole_guard.app.responder import SnapshotResponder
from blackhole_guard.cli.main import main

ON, OFF = signal.SIGUSR1, signal.SIGUSR2


def install() -> None:
    """Have each responder listen to the two signals."""
    plain = SnapshotResponder.__init__

    def make(self: SnapshotResponder, *arguments: Any) -> None:
        plain(self, *arguments)
        counts = self._counts

        def switch(number: int, _: FrameType | None) -> None:
            self._counts = counts if number == ON else None
            self._averted = None if self._counts is None else self._counts.averted
            if self._averted is not None:
                self._averted._chosen_at = monotonic()

        for number in (ON, OFF):
            signal.signal(number, switch)

    SnapshotResponder.__init__ = make  # type: ignore[method-assign]  # the responder of the program, and no other, is to listen


if __name__ == "__main__":
    install()
    main()
