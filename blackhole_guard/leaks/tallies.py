"""What was found, by evidence, sink and block: how many leaks of which shape, since when, and how long they took.

Names that a resolver minimised (`Shape.PARTIAL`) are no more than a number: no client asked for them (RFC 9156), so
times and responses are those of leaks alone.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

from blackhole_guard.leaks.evidence import Certainty, Via
from blackhole_guard.reserved.registry import Sink
from blackhole_guard.reserved.shapes import Shape

# What a resolver waits at least before it asks another server: BIND's first time-out (RESQUERY, 800 ms); Unbound's is
# 376 ms, dnsmasq waits for its client. So what is said of the time lost is rather too little.
UNANSWERED = 0.8  # seconds
_LEAST = 1e-6  # seconds; shorter delays count as this
_MOST = 3600.0  # seconds; longer ones as this, so there are 450 steps at most
_STEP = math.log(1.05)


@dataclass(slots=True)
class Delays:
    """Times, in steps of 5 %: a quantile is off by 2.5 % at most. Bounded whatever comes."""

    counts: Counter[int] = field(default_factory=Counter)  # by step

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[round(math.log(min(max(seconds, _LEAST), _MOST)) / _STEP)] += 1

    def quantile(self, share: float) -> float | None:
        """Give the time, in seconds, within which that share of them lies; None: there are none."""
        rank, seen = share * self.counts.total(), 0
        for step, count in sorted(self.counts.items()):
            seen += count
            if seen >= rank:
                return math.exp(step * _STEP)
        return None


def _no_kinds() -> Counter[tuple[Shape, Certainty]]:
    return Counter()


@dataclass(slots=True)
class Tally:
    """The leaks into one block on their way to one sink, as one kind of evidence shows them."""

    via: Via
    sink: Sink
    block: str
    kinds: Counter[tuple[Shape, Certainty]] = field(default_factory=_no_kinds)  # PARTIAL is among them
    first: float = math.inf  # unix seconds; infinite: there was no leak, or no time of one is known
    last: float = -math.inf
    answered: int = 0
    unanswered: int = 0
    seconds: float = 0.0  # that those waited who were answered
    delays: Delays = field(default_factory=Delays)

    @property
    def shapes(self) -> Counter[Shape]:
        """Leaks by shape, PARTIAL among them, whatever their certainty."""
        found: Counter[Shape] = Counter()
        for (shape, _), number in self.kinds.items():
            found[shape] += number
        return found

    @property
    def partial(self) -> int:
        """Queries for a part of an address."""
        return sum(self.kinds[Shape.PARTIAL, certainty] for certainty in Certainty)

    @property
    def leaks(self) -> int:
        """All of them, updates among them, without PARTIAL."""
        return self.kinds.total() - self.partial

    @property
    def possible(self) -> int:
        """Of the leaks those that only may be some."""
        kinds = self.kinds.items()
        return sum(n for (shape, sure), n in kinds if sure is Certainty.POSSIBLE and shape is not Shape.PARTIAL)

    @property
    def waited(self) -> float:
        """Seconds that were waited for the sink, at least."""
        return self.seconds + UNANSWERED * self.unanswered

    def settle(self, seconds: float | None) -> None:
        """Count what became of a leak: the seconds until its response; None: there was none in time."""
        if seconds is None:
            self.unanswered += 1
            return
        self.answered += 1
        self.seconds += seconds
        self.delays.add(seconds)
