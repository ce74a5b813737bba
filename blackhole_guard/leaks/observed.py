"""The keeper of observed leaks, whatever they were seen by: counts, times, tops, and the most recent ones.

`Observed.add` is a `Report`: packets, captures, dnstap and query logs are handed it. Everything is kept by kind of
evidence (`Via`): two kinds may have seen the same leak, so what they counted must never be added up. All of it is
bounded. Queries for a part of an address (`Shape.PARTIAL`) are counted apart, and nothing but counted: no client asked
for them, and their times and responses would hide those of leaks.

What is read: `tallies` (by evidence, sink and block), `tops`, `recent`; and `leaks`, `partial` and `responses`, which
are the tallies as metrics have them.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from blackhole_guard.leaks.evidence import Certainty, Leak, Via
from blackhole_guard.leaks.leak_tops import LeakTops
from blackhole_guard.leaks.tallies import Tally
from blackhole_guard.leaks.traffic import Wait
from blackhole_guard.reserved.registry import BLOCKS, Sink
from blackhole_guard.reserved.shapes import Shape

RECENT = 200  # leaks that are kept whole
# Series that the metrics may have of leaks. A network has ten or twenty; whoever sends leaks of all kinds there are, to
# swell the metrics, gets no more.
MAX_SERIES = 100
OTHERS = "(others)"  # block and shape of what is beyond them


class Series(NamedTuple):
    """What leaks are counted by; the fields are the labels of the metric."""

    block: str
    sink: Sink
    shape: str
    via: Via
    certainty: Certainty


class Responses(NamedTuple):
    """What became of leaks, and what that cost."""

    number: int  # responses
    seconds: float  # waited for them in all
    unanswered: int = 0  # leaks without one; known of packets alone


_Tops = TypeVar("_Tops", bound=LeakTops)


class Observed(Generic[_Tops]):
    """Takes leaks from all kinds of evidence."""

    def __init__(self, make_tops: Callable[[], _Tops], vias: Iterable[Via] = ()) -> None:
        """Know of no leak yet.

        Args:
            make_tops: makes what counts clients and addresses: `WholeTops` of a file, `SlidingTops` of what goes on.
            vias: kinds of evidence to `expect`.
        """
        self.recent: deque[Leak] = deque(maxlen=RECENT)  # the oldest first
        self._begin_tops = make_tops
        self._tops: dict[tuple[Via, bool], _Tops] = {}
        self._tallies: dict[tuple[Via, Sink, str], Tally] = {}
        self._series: dict[Series, None] = {}  # those that are shown as what they are
        for via in vias:
            self.expect(via)

    def expect(self, via: Via) -> None:
        """Show the usual series of a kind of evidence from now on: who computes rates sees its first leak, too."""
        for block, sink in BLOCKS.items():
            if sink is Sink.AS112 and "/" in block:
                self._name_series(Series(block, sink, Shape.HOST, via, Certainty.OBSERVED))

    def add(self, leak: Leak) -> None:
        """Count a leak."""
        via, shape, certainty, at = leak.via, leak.shape, leak.certainty, leak.at
        tally = self._tallies.get((via, leak.sink, leak.block))
        if tally is None:
            tally = self._find_tally(via, leak.sink, leak.block)
        kinds, kind = tally.kinds, (shape, certainty)
        if kind in kinds:
            kinds[kind] += 1
        else:
            kinds[kind] = 1
            if shape is not Shape.PARTIAL:
                self._name_series(Series(leak.block, leak.sink, shape, via, certainty))
        if shape is Shape.PARTIAL:
            return
        if at:  # else the evidence does not say when
            if at < tally.first:
                tally.first = at
            if at > tally.last:
                tally.last = at
        self.recent.append(leak)
        is_proven = certainty is not Certainty.POSSIBLE
        tops = self._tops.get((via, is_proven))
        if tops is None:
            tops = self.make_tops(via, proven=is_proven)
        tops.add(leak.client or leak.sender or b"", leak.address or b"")

    def add_wait(self, wait: Wait) -> None:
        """Count what became of a leak that packets have shown; nothing, if it was for a part of an address."""
        leak = wait.leak
        if leak.shape is not Shape.PARTIAL:
            self.settle(leak.via, leak.sink, leak.block, wait.seconds)

    def settle(self, via: Via, sink: Sink, block: str, seconds: float | None) -> None:
        """Count what became of a leak: the seconds until its response; None: there was none in time.

        Not for parts of addresses, which are no leaks: who calls this knows the shape.
        """
        tally = self._tallies.get((via, sink, block))
        if tally is None:
            tally = self._find_tally(via, sink, block)
        tally.settle(seconds)

    def note_times(self, via: Via, sink: Sink, block: str, *, first: float, last: float) -> None:
        """Enter when the first and the last leak were seen that are no longer counted here. Times in unix seconds."""
        tally = self._find_tally(via, sink, block)
        tally.first, tally.last = min(tally.first, first), max(tally.last, last)

    def tallies(self) -> list[Tally]:
        """Give what was counted, in the order of evidence, of sinks, and of the registry's blocks.

        There may be some that hold times alone, and no leaks.
        """
        keys = ((via, sink, block) for via in Via for sink in Sink for block in BLOCKS)
        return [self._tallies[key] for key in keys if key in self._tallies]

    def tops(self, via: Via, *, proven: bool = True) -> _Tops | None:
        """Give who causes the leaks that a kind of evidence shows, and for which addresses; None: it has shown none.

        Args:
            proven: whether they are observed or likely; False: those that are possible only.
        """
        return self._tops.get((via, proven))

    def make_tops(self, via: Via, *, proven: bool = True) -> _Tops:
        """Give the same; where there are none, they begin."""
        return self._tops.setdefault((via, proven), self._begin_tops())

    @property
    def total(self) -> int:
        """Leaks of all kinds of evidence, updates among them, without PARTIAL."""
        return sum(tally.leaks for tally in self._tallies.values())

    @property
    def leaks(self) -> Mapping[Series, int]:
        """Leaks, at most MAX_SERIES kinds of them and a few of OTHERS."""
        found = dict.fromkeys(self._series, 0)
        for tally in self._tallies.values():
            for (shape, certainty), number in tally.kinds.items():
                if shape is Shape.PARTIAL:
                    continue
                series = Series(tally.block, tally.sink, shape, tally.via, certainty)
                if series not in self._series:
                    series = series._replace(block=OTHERS, shape=OTHERS)
                found[series] = found.get(series, 0) + number
        return found

    @property
    def partial(self) -> Mapping[tuple[Sink, Via], int]:
        """Queries for a part of an address, of resolvers that minimise names (RFC 9156)."""
        found: dict[tuple[Sink, Via], int] = {}
        for tally in self._tallies.values():
            if tally.partial:
                found[tally.sink, tally.via] = found.get((tally.sink, tally.via), 0) + tally.partial
        return found

    @property
    def responses(self) -> Mapping[tuple[Sink, Via], Responses]:
        """What became of leaks."""
        found: dict[tuple[Sink, Via], Responses] = {}
        for tally in self._tallies.values():
            if tally.answered or tally.unanswered:
                key = (tally.sink, tally.via)
                number, seconds, unanswered = found.get(key, Responses(0, 0.0))
                found[key] = Responses(number + tally.answered, seconds + tally.seconds, unanswered + tally.unanswered)
        return found

    def _find_tally(self, via: Via, sink: Sink, block: str) -> Tally:
        """Find a tally, or make it: as many as there are kinds of evidence, sinks and blocks of the registry."""
        return self._tallies.setdefault((via, sink, block), Tally(via, sink, block))

    def _name_series(self, series: Series) -> None:
        """Give a kind of leaks a series of its own, if there is room."""
        if len(self._series) < MAX_SERIES:
            self._series[series] = None
