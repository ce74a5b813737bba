"""What a load costs, phase by phase: seconds of CPU time, and the peak of resident memory.

    .venv/bin/python -m bench.load                          # a million random addresses in order
    .venv/bin/python -m bench.load --dense                  # a million without gaps
    .venv/bin/python -m bench.load --entries 100000 --shuffled

CPU time and not the clock's: other work on the machine moves it less. The look-ups are those of a worker, for names
that are there and names that are not.
"""

import argparse
import os
import random
import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import process_time

from blackhole_guard.config.load import read_settings
from blackhole_guard.loading import digest_sources, make_content
from blackhole_guard.reserved.addresses import reverse_name
from blackhole_guard.sources.load import load_sources
from blackhole_guard.store.keys import make_key
from blackhole_guard.store.shelves import APART, find_offset
from blackhole_guard.store.snapshot import open_snapshot
from blackhole_guard.store.update import Origin, apply_update, open_store, plan_update, snapshot_path
from blackhole_guard.zones.build import build_zones

_FILES = 16  # a file may have 64 MiB
_LOOK_UPS = 200_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--dense", action="store_true", help="one address after the other, not random ones of a /8")
    parser.add_argument("--shuffled", action="store_true", help="in no order")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        numbers = _write_maps(directory, options.entries, options.dense, options.shuffled)
        _measure(directory, numbers)


def _write_maps(directory: str, entries: int, dense: bool, shuffled: bool) -> list[int]:
    chance = random.Random(1)
    numbers = list(range(entries)) if dense else sorted(chance.sample(range(1 << 24), entries))
    if shuffled:
        chance.shuffle(numbers)
    step = -(-entries // _FILES)
    for start in range(0, entries, step):
        with open(os.path.join(directory, f"{start:08}.yaml"), "w", encoding="ascii") as file:
            file.write("zone: 10.0.0.0/8\nptr:\n")
            for n in numbers[start : start + step]:
                file.write(f"  10.{n >> 16}.{n >> 8 & 255}.{n & 255}: host-{n:08}.rack{n >> 8 & 1023}.example.com\n")
    return numbers


@contextmanager
def _phase(name: str) -> Iterator[None]:
    start = process_time()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:34} {process_time() - start:8.3f} s {peak:8.0f} MiB", flush=True)


def _measure(directory: str, numbers: list[int]) -> None:
    pattern = os.path.join(directory, "*.yaml")
    settings, _ = read_settings(None, {"include": [pattern]})
    with _phase("sources"):
        sources, problems = load_sources(None, settings)
    assert not problems, problems[:3]
    with _phase("digest alone (an unchanged load)"):
        digest_sources(sources.files, sources.patterns, settings)
    with _phase("zones"):
        zones, problems = build_zones(sources, settings)
    assert not problems, problems[:3]
    content = make_content(zones)
    origin = Origin(b"", tuple(sources.files), sources.patterns)
    for name in ("compare with nothing", "compare with the same"):
        store = open_store(directory)
        with _phase(name):
            update = plan_update(store, content, 1.0)
        with _phase("write"):
            apply_update(store, update, origin, b"", 1.0)
        store.close()
    with _phase("open and check the store"):
        open_store(directory).close()
    print(f"{'snapshot':34} {os.path.getsize(snapshot_path(directory)) / (1 << 20):28.0f} MiB")
    _look_up(snapshot_path(directory), numbers)


def _look_up(path: str, numbers: list[int]) -> None:
    snapshot = open_snapshot(path)
    chance = random.Random(2)
    there = [_name(chance.choice(numbers)) for _ in range(_LOOK_UPS)]
    taken = set(numbers)
    missing = [_name(n) for n in (chance.randrange(1 << 24) for _ in range(_LOOK_UPS)) if n not in taken]
    _time_shelves(snapshot.find_shelf, [_address(chance.choice(numbers)) for _ in range(_LOOK_UPS)])
    _time("find_enclosing", snapshot.find_enclosing, there)
    _time("find_rrsets, there", snapshot.find_rrsets, there)
    _time("find_rrsets, missing", snapshot.find_rrsets, missing)
    _time("has_descendants, whole addresses", snapshot.has_descendants, missing)
    _time("has_descendants, three octets", snapshot.has_descendants, [name[1 + name[0] :] for name in missing])
    snapshot.close()


def _time_shelves(find_shelf: Callable[[bytes], memoryview | None], addresses: list[bytes]) -> None:
    """Time what answers a query: the shelf, and the record on it, ready for a response."""
    keys = [make_key(address) for address in addresses]
    _time("find_shelf", find_shelf, [key[:-1] for key in keys])

    def read(key: bytes) -> memoryview | None:
        shelf = find_shelf(key[:-1])
        if shelf is None:
            return None
        octet = key[-1]
        if shelf[0] <= octet <= shelf[1]:
            place = 2 + 2 * (octet - shelf[0])
            offset = shelf[place] << 8 | shelf[place + 1]
        else:
            offset = find_offset(shelf, octet)
        return shelf[offset + 1 : offset + 1 + shelf[offset]] if 0 < offset < APART else None

    _time("find_shelf, and the record on it", read, keys)


def _name(number: int) -> bytes:
    return reverse_name(_address(number))


def _address(number: int) -> bytes:
    return bytes((10, number >> 16, number >> 8 & 255, number & 255))


def _time(label: str, look_up: Callable[[bytes], object], names: list[bytes]) -> None:
    start = process_time()
    for name in names:
        look_up(name)
    print(f"{label:34} {(process_time() - start) / len(names) * 1e6:8.2f} us")


if __name__ == "__main__":
    main()
