"""What it costs a worker to count who causes averted leaks, in ns a message: python -m bench.averted_leaks

Messages come in batches of 64, for 20,000 names at random; filling the slots is not in the figures. What a message
costs that is looked at is the way of all, less that of none. The observer's part of each count is timed apart.
"""

import argparse
import random
import tempfile
from collections.abc import Callable, Sequence
from mmap import mmap
from pathlib import Path

from bench import hot_path as bench_hot_path
from bench.liberties import print_ways, time_ways
from blackhole_guard.answering import hot_path
from blackhole_guard.answering.averted import AvertedLeaks
from blackhole_guard.answering.batch import Batch
from blackhole_guard.answering.engine import Engine
from blackhole_guard.answering.hot_path import HotPath
from blackhole_guard.answering.policy import Clients
from blackhole_guard.answering.tally import Tally
from blackhole_guard.app.leak_counts import draw_bits
from blackhole_guard.leaks.counts import LeakKey, Sampling, parse_counts, render_counts
from blackhole_guard.leaks.tops import Tops
from blackhole_guard.store.snapshot import Snapshot

_ALL = 1 << 40  # looks a second
_SLOTS = 64


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batches", type=int, default=300)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        snapshot = bench_hot_path._write(Path(folder) / "zones.mdb")
        hot_path._MOST = bench_hot_path._ROOM
        path = bench_hot_path._learn(snapshot)
        ways = {"counted by none": _rounds(path, None, options.batches)}
        for bits in (0, 4, 6, 8):
            name = "all looked at" if not bits else f"one of {1 << bits} looked at"
            ways[name] = _rounds(path, _make(snapshot, bits), options.batches)
        ways["filling the slots"] = _rounds(None, None, options.batches)
        costs = time_ways(ways, options.rounds)
        filling = costs.pop("filling the slots")
        print_ways("ns a message", {name: cost - filling for name, cost in costs.items()})
        snapshot.close()
    costs = time_ways({"rendered, parsed, and into the sketches": _observe(options.batches)}, options.rounds)
    print_ways("the observer, ns a count", costs)


def _make(snapshot: Snapshot, bits: int) -> AvertedLeaks:
    averted = AvertedLeaks(draw_bits, _ALL, _ALL)
    averted.follow(Engine(snapshot, bench_hot_path._POLICY, Tally()), Clients(()))
    averted._bits = bits
    averted.ahead = averted._begin_row()
    return averted


def _rounds(path: HotPath | None, averted: AvertedLeaks | None, batches: int) -> Callable[[], int]:
    slots = tuple(mmap(-1, 4096 + 64) for _ in range(_SLOTS))
    queries = [bench_hot_path._query(address) for address in bench_hot_path._ADDRESSES]
    chance = random.Random(1)

    def run() -> int:
        for _ in range(batches):
            asked = chance.choices(queries, k=_SLOTS)
            for slot, octets in zip(slots, asked, strict=True):
                slot[: len(octets)] = octets
            senders = [bench_hot_path._SENDER] * _SLOTS
            batch = Batch(slots, list(map(len, asked)), senders, False, lambda number: bench_hot_path._SOURCE)
            if path is None:
                continue
            if averted is None or not averted.is_drawn(_SLOTS):
                path.respond_batch(batch)
                continue
            drawn = averted.draw_from(batch)
            path.respond_batch(batch)
            averted.set_aside(drawn, batch)
            averted.settle()
        if averted is not None:
            averted._look()
            averted.take()
        return _SLOTS * batches

    return run


def _observe(batches: int) -> Callable[[], int]:
    tops, chance = Tops(), random.Random(1)

    told = [
        {LeakKey(chance.randbytes(4), chance.randbytes(4), chance.random() < 0.5): 256 for _ in range(1000)}
        for _ in range(batches // 10)
    ]

    def run() -> int:
        for turn, counts in enumerate(told):
            for message in render_counts(counts, Sampling(256_000, 256)):
                tops.add(*parse_counts(message), float(turn))
        return 1000 * (batches // 10)

    return run


if __name__ == "__main__":
    main()
