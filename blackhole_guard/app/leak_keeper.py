"""The keeper of observed leaks in the observer: all evidence reports to it, and it outlives a restart."""

import asyncio
import os
from collections.abc import Callable, Mapping
from time import time
from typing import TYPE_CHECKING

from blackhole_guard.app.state_file import StateFile
from blackhole_guard.app.tops import FOLDS
from blackhole_guard.leaks.clients import ADDRESSES, fold_client
from blackhole_guard.leaks.evidence import Leak, Via
from blackhole_guard.leaks.leak_tops import SlidingTops
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.leaks.observed_state import dump_observed, load_observed
from blackhole_guard.reserved.registry import Sink

if TYPE_CHECKING:
    from blackhole_guard.telemetry.metrics import Samples
    from blackhole_guard.telemetry.observer import ObserverLog

STATE_FILE = "leaks"
# Seconds by which the time of a leak may differ from ours: it was on its way for a minute at most, and clocks are set
# now and then. What is further off is one that was not set yet: by it a block would have leaked since 1970.
_FARTHEST = 3600.0


class LeakKeeper:
    """Keeps what is observed of leaks as long as the observer runs, and what is worth it beyond."""

    def __init__(self, state_dir: str, clients: str, log: "ObserverLog", clock: Callable[[], float] = time) -> None:
        """Begin with what the state directory has; nothing, if that cannot be gone on with.

        Args:
            state_dir: where to keep the state.
            clients: the setting telemetry.tops.clients.
            log: for what goes wrong.
            clock: unix seconds.
        """
        self.observed = Observed(lambda: SlidingTops(clock, FOLDS[clients]))
        path = os.path.join(state_dir, STATE_FILE)
        self._state = StateFile(path, "the tops of observed leaks", lambda: dump_observed(self.observed), log)
        self._state.load(lambda octets: load_observed(octets, self.observed, clock()))
        self._clock, self._fold = clock, FOLDS[clients]

    def expect(self, via: Via) -> None:
        """Prepare for a kind of evidence."""
        self.observed.expect(via)

    def add(self, leak: Leak) -> None:
        """Count a leak; it is of now where it says no time, or none that can be."""
        now = self._clock()
        if abs(leak.at - now) > _FARTHEST:
            leak = leak._replace(at=now)
        if self._fold != ADDRESSES:  # before it is kept anywhere
            leak = leak._replace(client=self._cut(leak.client), sender=self._cut(leak.sender))
        self.observed.add(leak)
        self._state.touch()

    def _cut(self, client: bytes | None) -> bytes | None:
        return None if client is None else fold_client(client, self._fold)

    def settle(self, via: Via, sink: Sink, block: str, seconds: float | None) -> None:
        """Count what became of one."""
        self.observed.settle(via, sink, block, seconds)

    async def run(self) -> None:
        """Save by itself until cancelled."""
        self._state.start()
        try:
            await asyncio.get_running_loop().create_future()  # never done
        finally:
            self._state.stop()

    def close(self) -> None:
        """Save."""
        self._state.save()

    def read(self) -> "Mapping[str, Samples]":
        """Give the samples of all that is counted, by metric."""
        from blackhole_guard.telemetry.leak_metrics import read_leaks

        return read_leaks(self.observed)
