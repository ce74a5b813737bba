"""What was found, by sink and block: how many leaks of which shape, whose, for what, when, and how long they took.

Names that a resolver minimised (`Shape.PARTIAL`) are counted apart: no client asked for them (RFC 9156).
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from blackhole_guard.leaks.evidence import Leak
from blackhole_guard.leaks.traffic import Wait
from blackhole_guard.reserved.registry import BLOCKS, Sink
from blackhole_guard.reserved.shapes import Shape

# What a resolver waits at least before it asks another server: BIND's first time-out (RESQUERY, 800 ms); Unbound's is
# 376 ms, dnsmasq waits for its client. So what is said of the time lost is rather too little.
UNANSWERED = 0.8  # seconds
_LEAST = 1e-6  # seconds; shorter delays count as this
_STEP = math.log(1.05)


class Tops(Protocol):
    """The most frequent of many keys, in bounded memory."""

    def add(self, key: bytes, weight: int = 1) -> None:
        """Count a key."""

    def top(self, number: int) -> list[tuple[bytes, int, int]]:
        """Give up to `number` keys, the most frequent first: key, count, and how much too high the count may be."""


class CountedTops:
    """Counts of each key, until there are too many: then the rarer half is forgotten.

    Manku and Motwani's lossy counting: a key that comes back begins with what it may have had when it was forgotten.
    """

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity  # keys; 150 octets each
        self._counts: dict[bytes, tuple[int, int]] = {}  # count, error
        self._forgotten = 0  # the highest count that was

    def add(self, key: bytes, weight: int = 1) -> None:
        """Count a key."""
        count, error = self._counts.get(key, (self._forgotten, self._forgotten))
        self._counts[key] = (count + weight, error)
        if len(self._counts) > self._capacity:
            kept = self.top(self._capacity // 2)
            self._forgotten = max(self._forgotten, kept[-1][1])
            self._counts = {key: (count, error) for key, count, error in kept}

    def top(self, number: int) -> list[tuple[bytes, int, int]]:
        """Give up to `number` keys, as `Tops` says."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1][0], item[0]))
        return [(key, count, error) for key, (count, error) in ordered[:number]]


@dataclass(slots=True)
class Delays:
    """Times, in steps of 5 %: a quantile is off by 2.5 % at most. Bounded whatever comes."""

    counts: Counter[int] = field(default_factory=Counter)  # by step

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[round(math.log(max(seconds, _LEAST)) / _STEP)] += 1

    def quantile(self, share: float) -> float | None:
        """Give the time, in seconds, within which that share of them lies; None: there are none."""
        rank, seen = share * self.counts.total(), 0
        for step, count in sorted(self.counts.items()):
            seen += count
            if seen >= rank:
                return math.exp(step * _STEP)
        return None


def _no_shapes() -> Counter[Shape]:
    return Counter()


@dataclass(slots=True)
class Tally:
    """The leaks into one block that went to one sink."""

    sink: Sink
    block: str
    clients: Tops
    addresses: Tops
    shapes: Counter[Shape] = field(default_factory=_no_shapes)  # PARTIAL is among them
    first: float = math.inf  # unix seconds
    last: float = -math.inf
    answered: int = 0
    unanswered: int = 0
    seconds: float = 0.0  # that those waited who were answered
    delays: Delays = field(default_factory=Delays)

    @property
    def leaks(self) -> int:
        """All of them, updates among them, without PARTIAL."""
        return self.shapes.total() - self.shapes[Shape.PARTIAL]

    @property
    def waited(self) -> float:
        """Seconds that were waited for the sink, at least."""
        return self.seconds + UNANSWERED * self.unanswered

    def add(self, leak: Leak) -> None:
        """Count a leak."""
        self.shapes[leak.shape] += 1
        if leak.at < self.first:
            self.first = leak.at
        if leak.at > self.last:
            self.last = leak.at
        client = leak.client or leak.sender
        if client is not None and leak.shape is not Shape.PARTIAL:
            self.clients.add(client)
        if leak.address is not None:
            self.addresses.add(leak.address)

    def add_wait(self, wait: Wait) -> None:
        """Count what became of a leak."""
        if wait.seconds is None:
            self.unanswered += 1
            return
        self.answered += 1
        self.seconds += wait.seconds
        self.delays.add(wait.seconds)


@dataclass(slots=True)
class Tallies:
    """All of them. Bounded: a few sinks, and the registry's blocks."""

    make_tops: Callable[[], Tops] = CountedTops
    _by_sink: dict[Sink, dict[str, Tally]] = field(default_factory=dict)  # then by block

    def add(self, leak: Leak) -> None:
        """Count a leak."""
        self._find(leak).add(leak)

    def add_wait(self, wait: Wait) -> None:
        """Count what became of a leak."""
        self._find(wait.leak).add_wait(wait)

    def _find(self, leak: Leak) -> Tally:
        tallies = self._by_sink.get(leak.sink)
        if tallies is None:
            tallies = self._by_sink[leak.sink] = {}
        tally = tallies.get(leak.block)
        if tally is None:
            tally = tallies[leak.block] = Tally(leak.sink, leak.block, self.make_tops(), self.make_tops())
        return tally

    def rows(self) -> list[Tally]:
        """Give them in the order of sinks and of the registry's blocks."""
        return [
            self._by_sink[sink][block]
            for sink in Sink
            if sink in self._by_sink
            for block in BLOCKS
            if block in self._by_sink[sink]
        ]

    @property
    def leaks(self) -> int:
        """All leaks, updates among them, without PARTIAL."""
        return sum(tally.leaks for tally in self.rows())
