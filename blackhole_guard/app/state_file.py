"""What the observer keeps over restarts: a file in the state directory, written some time after its content changed."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from blackhole_guard.leaks.tops import MAX_STATE, TopsError

if TYPE_CHECKING:  # who only reads a file need not import what the observer does
    from blackhole_guard.telemetry.observer import ObserverLog

_SAVE_EVERY = 10.0  # seconds; what an observer that is killed loses at most, while that takes less than
_SAVE_SHARE = 0.001  # of the time


class StateFile:
    """One such file."""

    def __init__(self, path: str, what: str, dump: Callable[[], bytes], log: "ObserverLog") -> None:
        """Prepare.

        Args:
            path: of the file.
            what: what it holds, in the plural, for the log.
            dump: gives its content.
            log: for what goes wrong.
        """
        self._path = path
        self._what = what
        self._dump = dump
        self._log = log
        self._is_saved = True
        self._has_failed = False
        self._save_after = _SAVE_EVERY
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def load(self, take: Callable[[bytes], None]) -> None:
        """Hand over what the file has, if it is there.

        Args:
            take: raises TopsError if it cannot go on with that; this is logged.
        """
        try:
            with open(self._path, "rb") as file:
                octets = file.read(MAX_STATE + 1)
            take(octets)
        except FileNotFoundError:
            return
        except (OSError, TopsError) as error:
            self._log.error(f"{self._what} begin anew", file=self._path, reason=str(error))
            # Replaced whether or not there is anything new: it may hold more of clients than the settings now allow.
            self._is_saved = not isinstance(error, TopsError)

    def start(self) -> None:
        """From now on save by itself what changes. To be called in a running loop."""
        self._loop = asyncio.get_running_loop()
        if not self._is_saved:
            self._timer = self._loop.call_later(self._save_after, self.save)

    def stop(self) -> None:
        """Save no more by itself."""
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()

    def touch(self) -> None:
        """Note that the content has changed."""
        if self._is_saved:
            self._is_saved = False
            if self._loop is not None:
                self._timer = self._loop.call_later(self._save_after, self.save)

    def save(self) -> None:
        """Save what has changed. It need not be on the disk: after a loss of power all may begin anew."""
        if self._is_saved:
            return
        self._is_saved = True
        start = monotonic()
        new = f"{self._path}.new"
        try:
            with open(new, "wb") as file:
                file.write(self._dump())
            os.replace(new, self._path)
        except OSError as error:
            if not self._has_failed:
                self._log.error(f"{self._what} cannot be saved", file=self._path, error=error.strerror)
            with contextlib.suppress(OSError):
                os.unlink(new)
            self._has_failed = True
        else:
            self._has_failed = False
            self._save_after = max(_SAVE_EVERY, (monotonic() - start) / _SAVE_SHARE)
