"""Space-Saving sketches: the most frequent keys of a stream, in a fixed number of counters, each with its bound.

Metwally, Agrawal and El Abbadi, "Efficient computation of frequent and top-k elements in data streams" (ICDT 2005),
with whole batches in place of single keys; merged as Agarwal et al., "Mergeable summaries" (PODS 2012), show for such
summaries. Left out: the linked buckets of the first paper, which make single updates cheap: a batch is cheaper still.

What holds. A sketch of capacity m over a stream of total weight n has at most m counters and a floor:
  1. a key with a counter weighs at most `weight` and at least `weight - error`; a key without one at most `floor`;
  2. no counter is below the floor, no error above it;
  3. the counters add up to n at most, so, with all m taken, floor <= n / m: whatever weighs more than n / m has one.

Why. An exact batch is such a sketch itself, with errors and floor 0, so there is one operation: `_absorb` puts two
sketches together, with floors f and g. A key of both gets the sums; a key of one alone may weigh as much as the
other's floor there: that is added to its counter and to its error. So 1 holds with the floor f + g, and all counters
are at least that. Of more than m the m largest stay; the floor rises to the largest that goes, which keeps 1 and 2. As
to 3: the first sketch may have s counters, the second one t, and x keys may be in both; then (s - x) g + (t - x) f was
added. A floor above 0 means that all m counters are taken, so with f, g > 0 (m - x)(f + g) was added, and m - x
counters of at least f + g each have gone; with f > 0 = g it was (t - x) f, and t - x counters of at least f each have
gone.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import islice
from operator import neg
from typing import NamedTuple

# Of 10 million keys, Zipf with s = 1.0 over a million, it finds the true top 100, and so does half of it, with errors
# of a few per cent; a quarter finds 71. Measured: python -m bench tops
CAPACITY = 2048
MAX_KEY = 255  # octets


class Counted(NamedTuple):
    """A key and what is known of its weight: no more than `weight`, no less than `weight - error`."""

    key: bytes
    weight: int
    error: int


class SketchError(Exception):
    """Counters that no sketch can have."""


class SpaceSaving:
    """The heaviest keys of a stream."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Begin with an empty stream.

        Args:
            capacity: how many counters are kept, at least 1; up to as many fresh keys wait besides to be put in.
        """
        self.capacity = capacity
        self.total = 0  # weight of all that was added
        self._counts: dict[bytes, int] = {}
        self._errors: dict[bytes, int] = {}  # those above 0
        self._floor = 0
        self._fresh: dict[bytes, int] = {}  # an exact batch that is not put in yet

    @classmethod
    def restore(cls, counters: Iterable[Counted], *, floor: int, total: int, capacity: int = CAPACITY) -> "SpaceSaving":
        """Make a sketch of what another one gave: its `counters`, `floor` and `total`.

        Raises:
            SketchError: no sketch of this capacity can have these.
        """
        made = cls(capacity)
        made.total, made._floor = total, floor
        for key, count, error in counters:
            if len(key) > MAX_KEY or key in made._counts or not 0 <= error <= floor <= count or count < 1:
                raise SketchError("a counter that no sketch can have")
            made._counts[key] = count
            if error:
                made._errors[key] = error
        size = len(made._counts)
        if size > capacity or floor < 0 or (floor and size < capacity) or sum(made._counts.values()) > total:
            raise SketchError("counters that no sketch can have together")
        return made

    @property
    def floor(self) -> int:
        """What a key without a counter weighs at most."""
        self._settle()
        return self._floor

    def add(self, key: bytes, weight: int = 1) -> None:
        """Add to a key, which is cut to MAX_KEY octets; `weight` is at least 1."""
        key = key[:MAX_KEY]
        self.total += weight
        self._fresh[key] = self._fresh.get(key, 0) + weight
        if len(self._fresh) >= self.capacity:
            self._settle()

    def add_counts(self, counts: Mapping[bytes, int]) -> None:
        """Add a batch: keys of MAX_KEY octets at most, and their weights, at least 1 each."""
        fresh = self._fresh
        if not fresh:
            fresh.update(counts)
        else:
            for key, weight in counts.items():
                fresh[key] = fresh.get(key, 0) + weight
        self.total += sum(counts.values())
        if len(fresh) >= self.capacity:
            self._settle()

    def merge(self, other: "SpaceSaving") -> None:
        """Add the stream of another sketch, of no smaller capacity. The bounds hold for both streams together."""
        assert other.capacity >= self.capacity  # a floor above 0 must mean that no counter is free
        self._settle()
        other._settle()
        self._absorb(other._counts, other._errors, other._floor)
        self.total += other.total

    def counters(self) -> list[Counted]:
        """All counters, the largest first; equal ones in the order of their keys."""
        self._settle()
        error = self._errors.get
        ordered = sorted(self._counts.items(), key=lambda counter: (-counter[1], counter[0]))
        return [Counted(key, count, error(key, 0)) for key, count in ordered]

    def top(self, most: int) -> list[Counted]:
        """The largest counters, up to `most` of them."""
        return self.counters()[:most]

    def _settle(self) -> None:
        """Put in what is fresh."""
        if self._fresh:
            fresh, self._fresh = self._fresh, {}
            self._absorb(fresh, {}, 0)

    def _absorb(self, theirs: Mapping[bytes, int], their_errors: Mapping[bytes, int], their_floor: int) -> None:
        """Put another sketch in; the module's docstring says why the bounds hold."""
        counts, errors, floor = self._counts, self._errors, self._floor
        if their_floor:
            for key in counts.keys() - theirs.keys():
                counts[key] += their_floor
                errors[key] = errors.get(key, 0) + their_floor
        new: dict[bytes, int] = {}
        for key, count in theirs.items():
            own = counts.get(key)
            if own is None:
                new[key] = floor + count
            else:
                counts[key] = own + count
                if key in their_errors:
                    errors[key] = errors.get(key, 0) + their_errors[key]
        self._floor = floor + their_floor
        if len(counts) + len(new) > self.capacity:
            new = self._cut(new)
        counts.update(new)
        if floor or their_errors:
            errors.update((key, error) for key in new if (error := floor + their_errors.get(key, 0)))

    def _cut(self, new: dict[bytes, int]) -> dict[bytes, int]:
        """Let go of all but the largest of own and new counters; returns the new ones that stay."""
        ordered = sorted([*self._counts.values(), *new.values()], reverse=True)
        self._floor = limit = max(self._floor, ordered[self.capacity])
        # As many of those at the limit stay as there is room for, the older ones first.
        room = self.capacity - bisect_left(ordered, -limit, key=neg)
        for key in [key for key, count in self._counts.items() if count <= limit]:
            if room and self._counts[key] == limit:
                room -= 1
            else:
                del self._counts[key]
                self._errors.pop(key, None)
        stay = {key: count for key, count in new.items() if count > limit}
        stay.update(islice(((key, count) for key, count in new.items() if count == limit), room))
        return stay
