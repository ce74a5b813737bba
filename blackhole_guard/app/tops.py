"""The tops in the observer: what workers tell goes in, and all of it is kept in the state directory over restarts."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from time import monotonic, time
from typing import TYPE_CHECKING

from blackhole_guard.leaks.clients import ADDRESSES, NETWORKS
from blackhole_guard.leaks.counts import CountsError, parse_counts
from blackhole_guard.leaks.tops import MAX_STATE, Tops, TopsError

if TYPE_CHECKING:  # who only reads the file need not import what the observer does
    from blackhole_guard.telemetry.observer import ObserverLog

STATE_FILE = "tops"
_SAVE_EVERY = 10.0  # seconds; what an observer that is killed loses at most, while that takes less than
_SAVE_SHARE = 0.001  # of the time
_AT_ONCE = 16  # messages before others have their turn
_MAX_MESSAGE = 1 << 17  # octets
_FOLDS = {"addresses": ADDRESSES, "networks": NETWORKS}


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
        self.tops = Tops(_FOLDS[clients])
        self._reader = reader
        self._path = os.path.join(state_dir, STATE_FILE)
        self._log = log
        self._clock = clock
        self._is_saved = True
        self._has_failed = False
        self._save_after = _SAVE_EVERY
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._load()

    async def run(self) -> None:
        """Take what workers tell until cancelled."""
        loop = self._loop = asyncio.get_running_loop()
        loop.add_reader(self._reader, self._receive)
        try:
            await loop.create_future()  # never done
        finally:
            loop.remove_reader(self._reader)
            self._loop = None
            if self._timer is not None:
                self._timer.cancel()

    def close(self) -> None:
        """Take what is there by now, and save."""
        while self._receive():
            pass
        self._save()

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
            if self._is_saved:
                self._is_saved = False
                if self._loop is None:
                    continue
                self._timer = self._loop.call_later(self._save_after, self._save)
        return True

    def _load(self) -> None:
        try:
            with open(self._path, "rb") as file:
                octets = file.read(MAX_STATE + 1)
            self.tops.load(octets, self._clock())
        except FileNotFoundError:
            return
        except (OSError, TopsError) as error:
            self._log.error("the tops of averted leaks begin anew", file=self._path, reason=str(error))

    def _save(self) -> None:
        """Save what has changed. It need not be on the disk: after a loss of power the tops may begin anew."""
        if self._is_saved:
            return
        self._is_saved = True
        start = monotonic()
        new = f"{self._path}.new"
        try:
            with open(new, "wb") as file:
                file.write(self.tops.dump())
            os.replace(new, self._path)
        except OSError as error:
            if not self._has_failed:
                self._log.error("the tops of averted leaks cannot be saved", file=self._path, error=error.strerror)
            with contextlib.suppress(OSError):
                os.unlink(new)
        else:
            self._has_failed = False
            self._save_after = max(_SAVE_EVERY, (monotonic() - start) / _SAVE_SHARE)
            return
        self._has_failed = True
