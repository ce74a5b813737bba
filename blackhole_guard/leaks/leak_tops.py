"""Who causes observed leaks, and for which addresses: the sketches of `tops`, fed one leak at a time.

A client is who asked, as far as the evidence tells, else who sent the query, mostly a resolver; no octets: nobody
knows. Counts are gathered before they go into the sketches: resolvers ask for the same names again and again.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from blackhole_guard.leaks.clients import ADDRESSES, ClientFold
from blackhole_guard.leaks.counts import Sampling
from blackhole_guard.leaks.sketches import CAPACITY
from blackhole_guard.leaks.tops import Top, Tops, TopsPane, TopsReport
from blackhole_guard.leaks.windows import Window

# Counters of a sketch over sliding windows. Half of what averted leaks have: there is one such set for each kind of
# evidence, and what leaks is less. 10 MiB for each kind at most (docs/tops.md).
SLIDING_CAPACITY = CAPACITY // 2
# Counts that are gathered, 150 octets each. The more, the less each costs in the sketches.
_GATHERED = 1024
_GATHERED_OF_ALL = 8192
_GATHER_SECONDS = 1.0
_EVERY_ONE = Sampling(0, 1)  # no leak is passed over


class LeakTops(Protocol):
    """Takes leaks."""

    def add(self, client: bytes, address: bytes) -> None:
        """Count a leak.

        Args:
            client: 4 or 16 octets; none: not known.
            address: 4 or 16 octets: that the name stands for; none: it stands for no whole address.
        """


class TopLists(NamedTuple):
    """The most frequent ones, each list with the largest count first."""

    clients: tuple[Top, ...]
    addresses: tuple[Top, ...]
    pairs: tuple[Top, ...]


class _Gathering:
    """Counts by client and address that are in no sketch yet."""

    def __init__(self, most: int) -> None:
        self._gathered: dict[tuple[bytes, bytes], int] = {}
        self._most = most

    def add(self, client: bytes, address: bytes) -> None:
        """Count a leak, as `LeakTops` says."""
        key = (client, address)
        gathered = self._gathered
        gathered[key] = gathered.get(key, 0) + 1
        if len(gathered) >= self._most:
            self._settle()

    def _settle(self) -> None:
        gathered, self._gathered = self._gathered, {}
        if gathered:
            self._take([(client, address, True, number) for (client, address), number in gathered.items()])

    def _take(self, rows: list[tuple[bytes, bytes, bool, int]]) -> None:
        raise NotImplementedError


class WholeTops(_Gathering):
    """The tops of all that a file, or a watch, has shown."""

    def __init__(self) -> None:
        super().__init__(_GATHERED_OF_ALL)
        self._pane = TopsPane()

    def _take(self, rows: list[tuple[bytes, bytes, bool, int]]) -> None:
        self._pane.add(rows, _EVERY_ONE)

    def show(self, most: int) -> TopLists:
        """Give up to `most` of each."""
        self._settle()
        return TopLists(*self._pane.show(most))


class SlidingTops(_Gathering):
    """The tops of the last five minutes, hour and day."""

    def __init__(self, clock: Callable[[], float], fold: ClientFold = ADDRESSES) -> None:
        """Begin with nothing.

        Args:
            clock: unix seconds.
            fold: how much of a client's address is kept.
        """
        super().__init__(_GATHERED)
        self._tops = Tops(fold, SLIDING_CAPACITY)
        self._clock = clock
        self._since = clock()  # unix seconds: of the first leak that is gathered

    def add(self, client: bytes, address: bytes) -> None:
        """Count a leak, as `LeakTops` says; it belongs to now, whatever the evidence says of its time."""
        now = self._clock()
        if not 0 <= now - self._since < _GATHER_SECONDS:
            self._settle()
            self._since = now
        super().add(client, address)

    def settled(self) -> Tops:
        """Give the sketches, with all in them that was counted by now. Nothing is to be added to them."""
        self._settle()
        return self._tops

    def report(self, window: Window, now: float, most: int = 100) -> TopsReport:
        """Say who and what was on top, as `Tops.report` does."""
        return self.settled().report(window, now, most)

    def dump(self) -> bytes:
        """Give all of it as octets, for a restart."""
        return self.settled().dump()

    def load(self, octets: bytes, now: float) -> None:
        """Go on with what `dump` gave. Raises TopsError: that cannot be; nothing has changed."""
        self._tops.load(octets, now)

    def _take(self, rows: list[tuple[bytes, bytes, bool, int]]) -> None:
        self._tops.add(rows, _EVERY_ONE, self._since)
