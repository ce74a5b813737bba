"""The sketches behind the tops: how much of the true top they find, and what they cost.

A stream of keys, Zipf with s = 1.0, is counted exactly and by sketches of several capacities: key by key, and in
batches as the observer gets them from workers. Memory is what a full sketch holds, its fresh keys included.
"""

import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from bench.tables import Column, Table
from blackhole_guard.leaks.sketches import CAPACITY, SpaceSaving

COLUMNS = (
    Column("found", "of the true top 100"),
    Column("wrong", "counts outside their bounds", of="max"),
    Column("error", "largest error in the top 100", of="max"),
    Column("floor", "floor", of="max"),
    Column("limit", "total by capacity"),
    Column("memory", "KiB", of="max", scale=1 / 1024),
    Column("cost", "ns a key", scale=1e9),
)
_TOP = 100
_PART = 500_000  # keys that are drawn at once
_BATCH = 1000  # messages that a worker looks at in a second
_SINGLY, _BATCHED = "key by key", f"in batches of {_BATCH:,}"


@dataclass(frozen=True)
class Plan:
    """What to measure, and how often."""

    keys: int = 10_000_000
    clients: int = 1_000_000
    capacities: Sequence[int] = (CAPACITY // 2, CAPACITY)
    rounds: int = 3


def measure(plan: Plan) -> Table:
    """Measure and return the table; each round is another stream."""
    note = f"{plan.keys:,} keys, Zipf with s = 1.0 over {plan.clients:,}. The default capacity is {CAPACITY:,}."
    table = Table("tops", "Sketches", "capacity", "fed", COLUMNS, [note])
    for round_ in range(plan.rounds):
        _measure_round(table, plan, round_ + 1)
    return table


def _measure_round(table: Table, plan: Plan, seed: int) -> None:
    exact: Counter[bytes] = Counter()
    sketches = {(capacity, fed): SpaceSaving(capacity) for capacity in plan.capacities for fed in (_SINGLY, _BATCHED)}
    spent = dict.fromkeys(sketches, 0.0)
    for part in _draw(plan, seed):
        exact.update(part)
        for key, sketch in sketches.items():
            spent[key] += _feed(sketch, part, key[1])
    limit = exact.most_common(_TOP)[-1][1]
    for (capacity, fed), sketch in sketches.items():
        counters = sketch.counters()
        table.add(
            f"{capacity:,}",
            fed,
            found=sum(exact[counter.key] >= limit for counter in counters[:_TOP]),
            wrong=sum(not weight - error <= exact[key] <= weight for key, weight, error in counters),
            error=max(counter.error for counter in counters[:_TOP]),
            floor=sketch.floor,
            limit=plan.keys // capacity,
            memory=_measure_memory(capacity),
            cost=spent[capacity, fed] / plan.keys,
        )


def _draw(plan: Plan, seed: int) -> Iterator[list[bytes]]:
    chance = Random(seed)
    keys = [number.to_bytes(4, "big") for number in range(plan.clients)]
    chance.shuffle(keys)
    weights = list(accumulate(1 / rank for rank in range(1, plan.clients + 1)))
    left = plan.keys
    while left:
        size = min(left, _PART)
        # Objects of their own, as keys from a socket are.
        yield [bytes(bytearray(key)) for key in chance.choices(keys, cum_weights=weights, k=size)]
        left -= size


def _feed(sketch: SpaceSaving, part: list[bytes], fed: str) -> float:
    """Give a sketch a part of the stream; returns the seconds that it took."""
    start = time.perf_counter()
    if fed == _SINGLY:
        add = sketch.add
        for key in part:
            add(key)
    else:
        for at in range(0, len(part), _BATCH):
            sketch.add_counts(Counter(part[at : at + _BATCH]))
    return time.perf_counter() - start


def _measure_memory(capacity: int) -> int:
    """Octets of a sketch that is as full as it can be, of the longest keys there are: pairs of IPv6 networks."""
    chance = Random(1)
    tracemalloc.start()
    sketch = SpaceSaving(capacity)
    for _ in range(3 * capacity - 1):
        sketch.add(chance.randbytes(34))
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return used
