"""The tops in the observer: what workers tell goes in, and all of it is kept in the state directory over restarts."""

import asyncio
import os
import socket
from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING

from blackhole_guard.app.state_file import StateFile
from blackhole_guard.leaks.clients import ADDRESSES, NETWORKS
from blackhole_guard.leaks.counts import CountsError, parse_counts
from blackhole_guard.leaks.tops import Tops

if TYPE_CHECKING:  # who only reads the file need not import what the observer does
    from blackhole_guard.telemetry.observer import ObserverLog

STATE_FILE = "tops"
FOLDS = {"addresses": ADDRESSES, "networks": NETWORKS}  # by the setting telemetry.tops.clients
_AT_ONCE = 16  # messages before others have their turn
_MAX_MESSAGE = 1 << 17  # octets


class TopsKeeper:
    """Keeps the tops as long as the observer runs."""

    def __init__(
        self,
        reader: socket.socket,
        state_dir: str,
        clients: str,
        log: "ObserverLog",
        clock: Callable[[], float] = time,
    ) -> None:
        """Begin with what the state directory has; nothing, if that cannot be gone on with.

        Args:
            reader: where workers' messages come from; does not block.
            state_dir: where to keep the state.
            clients: the setting telemetry.tops.clients.
            log: for what goes wrong.
            clock: unix seconds.
        """
        self.tops = Tops(FOLDS[clients])
        self._reader = reader
        self._log = log
        self._clock = clock
        path = os.path.join(state_dir, STATE_FILE)
        self._state = StateFile(path, "the tops of averted leaks", self.tops.dump, log)
        self._state.load(lambda octets: self.tops.load(octets, clock()))

    async def run(self) -> None:
        """Take what workers tell until cancelled."""
        loop = asyncio.get_running_loop()
        self._state.start()
        loop.add_reader(self._reader, self._receive)
        try:
            await loop.create_future()  # never done
        finally:
            loop.remove_reader(self._reader)
            self._state.stop()

    def close(self) -> None:
        """Take what is there by now, and save."""
        while self._receive():
            pass
        self._state.save()

    def _receive(self) -> bool:
        """Take a few messages; returns whether there may be more."""
        for _ in range(_AT_ONCE):
            try:
                octets = self._reader.recv(_MAX_MESSAGE)
            except BlockingIOError:
                return False
            try:
                rows, sampling = parse_counts(octets)
            except CountsError as error:
                self._log.error("a message of a worker that cannot be read", error=str(error))
                continue
            self.tops.add(rows, sampling, self._clock())
            self._state.touch()
        return True
