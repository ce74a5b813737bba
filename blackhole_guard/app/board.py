"""Shared memory: the pages of counters and the control page, made before the first fork."""

from time import time

from blackhole_guard.answering.tally import FAMILIES
from blackhole_guard.counters.control import Control
from blackhole_guard.counters.pages import Pages
from blackhole_guard.server.roles import COUNTERS, GAUGES
from blackhole_guard.telemetry.catalogue import make_layout


class Board:
    """The server's `Board`, in the cells that workers write and the observer shows."""

    def __init__(self, slots: int) -> None:
        """Map the memory.

        Args:
            slots: of workers; each has a page, the supervisor and the observer have the last two.
        """
        self.control = Control(slots)
        self.control.started = time()
        self.pages = Pages(make_layout(FAMILIES, COUNTERS, GAUGES), slots + 2)
        self.supervisor_page, self.observer_page = slots, slots + 1

    def last_beat(self, slot: int) -> float:
        """When a slot's worker last gave a sign of life."""
        return self.control.last_beat(slot)

    def set_serving(self, slot: int, serving: bool) -> None:
        """Enter that a slot's worker serves, or that it does not."""
        self.control.set_alive(slot, serving)

    def note_death(self, slot: int) -> None:
        """Enter that a slot's worker died: its connections are gone with it."""
        self.control.note_restart(slot)
        self.pages.clear_gauges(slot)

    def note_load(self, result: str, generation: int) -> None:
        """Enter the end of a load. Workers follow the generation, see `SnapshotResponder`."""
        if generation:
            self.control.generation = generation
        self.control.note_reload(result, time())
