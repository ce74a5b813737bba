"""Who reads for whom: the slots without a worker that serves are read by workers that do."""

from collections import Counter
from collections.abc import Set
from typing import NamedTuple

from blackhole_guard.server.channel import Kind


class Order(NamedTuple):
    """What to tell a worker."""

    worker: int  # its slot
    kind: Kind  # ADOPT or RELEASE
    slot: int


class Adoptions:
    """The adoptions in force. Owns neither sockets nor channels."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._adopters: dict[int, int] = {}  # slot -> who reads it besides, or instead of, its own worker

    def settle(self, serving: Set[int]) -> list[Order]:
        """Have each slot read: by its own worker if that serves, else by one of those that do, if any does.

        Args:
            serving: the slots whose workers read their own sockets, and give signs of life.
        Returns:
            The orders that bring it about. An adopter that no longer serves is told, too: it may only be slow.
        """
        orders = []
        for slot, adopter in list(self._adopters.items()):
            if slot in serving or adopter not in serving:
                del self._adopters[slot]
                orders.append(Order(adopter, Kind.RELEASE, slot))
        load = Counter(self._adopters.values())
        for slot in range(self._slots):
            if serving and slot not in serving and slot not in self._adopters:
                adopter = min(serving, key=lambda worker: (load[worker], worker))
                load[adopter] += 1
                self._adopters[slot] = adopter
                orders.append(Order(adopter, Kind.ADOPT, slot))
        return orders

    def adopter(self, slot: int) -> int | None:
        """Find who reads a slot for its worker; None: nobody."""
        return self._adopters.get(slot)
