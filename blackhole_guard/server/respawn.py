"""One child that is wanted as long as the supervisor lives, and is started again when it ends."""

import signal
from collections.abc import Callable

from blackhole_guard.server.backoff import Backoff
from blackhole_guard.server.processes import Exit, kill_child
from blackhole_guard.server.roles import FullLog


class Respawned:
    """A child such as the observer: nothing depends on it, so it is started again and that is all."""

    def __init__(self, name: str, fork: Callable[[], int], log: FullLog, clock: Callable[[], float]) -> None:
        """Begin without it.

        Args:
            name: for log lines.
            fork: starts it; returns its process id.
            log: where its deaths go.
            clock: monotonic seconds.
        """
        self.pid: int | None = None
        self._name = name
        self._fork = fork
        self._log = log
        self._clock = clock
        self._backoff = Backoff()
        self._started = 0.0
        self._start_at: float | None = None
        self._stopping = False
        self._is_told = False

    def start(self, delay: float = 0.0) -> None:
        """Have it run from now on, or in so many seconds; where it runs, or waits for its next start, sooner counts."""
        now = self._clock()
        if self.pid is None:
            self._start_at = min(now + delay, now + delay if self._start_at is None else self._start_at)
            self.tick(now)

    def deadline(self) -> float | None:
        """When to call `tick` again; monotonic seconds."""
        return self._start_at

    def tick(self, now: float) -> None:
        """Start it when it is time."""
        if self._start_at is None or now < self._start_at:
            return
        try:
            self.pid = self._fork()
        except OSError as error:  # no memory, or too many processes
            self._start_at = self._backoff.next_start(now, now)
            self._log.error(f"no {self._name} could be started", error=error.strerror)
            return
        self._started, self._start_at = now, None

    def take_exit(self, child: Exit) -> bool:
        """Take the end of a child, if it is this; returns whether it was."""
        if child.pid != self.pid:
            return False
        self.pid = None
        if self._stopping:
            return True
        now = self._clock()
        self._start_at = self._backoff.next_start(self._started, now)
        self._log.warning(
            f"the {self._name} died", pid=child.pid, how=str(child), restart_in=round(self._start_at - now, 1)
        )
        return True

    def retire(self) -> None:
        """Start it no more; that it ends is then as it should be."""
        self._stopping = True
        self._start_at = None

    def stop(self) -> None:
        """Have it end, and start it no more. It is told once, however often this is called."""
        self.retire()
        if self.pid is not None and not self._is_told:
            self._is_told = True
            kill_child(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        if self.pid is not None:
            kill_child(self.pid, signal.SIGKILL)
