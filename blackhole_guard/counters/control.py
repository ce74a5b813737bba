"""The page that the supervisor writes and all others read: the generation to serve, the last load, who lives.

Beats are the exception: each worker writes its own, the supervisor reads them.
"""

import mmap

RELOAD_RESULTS = ("loaded", "unchanged", "failed", "refused")
_GOOD_RESULTS = ("loaded", "unchanged")

GENERATION = 0  # of the snapshot to serve; 0: there is none yet. Workers read `cells[GENERATION]` before every batch
_SOURCES_BROKEN = 1
_LAST_SUCCESS = 2
_STARTED = 3
_RELOADS = 8  # one for each of RELOAD_RESULTS
_SLOTS = 16  # from here on three cells for each slot
_ALIVE, _RESTARTS, _BEAT = range(3)


class Control:
    """Cells in shared memory, made before the fork. Times of day are unix seconds, beats are monotonic seconds."""

    def __init__(self, slots: int) -> None:
        """Map the page, all cells 0.

        Args:
            slots: of workers.
        """
        self.slots = slots
        octets = 8 * (_SLOTS + 3 * slots)
        self.cells = memoryview(mmap.mmap(-1, octets, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)).cast("Q")

    def _get(self, cell: int) -> int:
        value: int = self.cells[cell]
        return value

    @property
    def generation(self) -> int:
        """The snapshot that is served; 0: none yet."""
        return self._get(GENERATION)

    @generation.setter
    def generation(self, value: int) -> None:
        self.cells[GENERATION] = value

    @property
    def started(self) -> int:
        """When the supervisor started; unix seconds."""
        return self._get(_STARTED)

    @started.setter
    def started(self, now: float) -> None:
        self.cells[_STARTED] = int(now)

    def note_reload(self, result: str, now: float) -> None:
        """Enter the end of a load, the one at the start included.

        Args:
            result: one of RELOAD_RESULTS. After `failed` and `refused` what is served is not what the sources say.
            now: unix seconds.
        """
        self.cells[_RELOADS + RELOAD_RESULTS.index(result)] += 1
        good = result in _GOOD_RESULTS
        self.cells[_SOURCES_BROKEN] = not good
        if good:
            self.cells[_LAST_SUCCESS] = int(now)

    def reloads(self, result: str) -> int:
        """Count the loads that ended so."""
        return self._get(_RELOADS + RELOAD_RESULTS.index(result))

    @property
    def sources_broken(self) -> bool:
        """Whether the last load did not bring what the sources say."""
        return bool(self._get(_SOURCES_BROKEN))

    @property
    def last_reload_success(self) -> int:
        """When sources were last read without errors; unix seconds, 0: never."""
        return self._get(_LAST_SUCCESS)

    def set_alive(self, slot: int, alive: bool) -> None:
        """Enter that a slot's worker answers, or that it is gone."""
        self.cells[_SLOTS + 3 * slot + _ALIVE] = alive

    def is_alive(self, slot: int) -> bool:
        """Whether a slot's worker answers."""
        return bool(self._get(_SLOTS + 3 * slot + _ALIVE))

    @property
    def workers_alive(self) -> int:
        """How many workers answer."""
        return sum(self.is_alive(slot) for slot in range(self.slots))

    def note_restart(self, slot: int) -> None:
        """Enter that a slot's worker died and gets a successor."""
        self.cells[_SLOTS + 3 * slot + _RESTARTS] += 1

    def restarts(self, slot: int) -> int:
        """Count a slot's restarts."""
        return self._get(_SLOTS + 3 * slot + _RESTARTS)

    def beat(self, slot: int, now: float) -> None:
        """Give a sign of life. Called by the worker itself; `now`: monotonic seconds."""
        self.cells[_SLOTS + 3 * slot + _BEAT] = int(now * 1e9)

    def last_beat(self, slot: int) -> float:
        """When a slot's worker last gave a sign of life; monotonic seconds, 0: never."""
        return self._get(_SLOTS + 3 * slot + _BEAT) / 1e9
