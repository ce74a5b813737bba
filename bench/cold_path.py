"""What messages cost that nobody sent before, by kind, in CPU time a message: python -m bench.cold_path

All reserved zones are served, with 10,000 PTRs in 10.0.0.0/8. `HotPath.respond_batch` gets the messages, as from a
datapath: it knows none of them, asks the engine, and keeps the response where it may. Between receiving and sending:
the kernel's work is left out.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from mmap import mmap
from pathlib import Path
from time import thread_time_ns

from bench.data import Dataset, write_maps
from blackhole_guard.answering.batch import Batch
from blackhole_guard.answering.engine import Engine
from blackhole_guard.answering.hot_path import HotPath
from blackhole_guard.answering.policy import make_policy
from blackhole_guard.answering.tally import Tally
from blackhole_guard.config.load import read_settings
from blackhole_guard.loading import make_content
from blackhole_guard.reserved.addresses import reverse_name
from blackhole_guard.sources.load import load_sources
from blackhole_guard.store.snapshot import Snapshot, open_snapshot
from blackhole_guard.store.update import Origin, apply_update, open_store, plan_update, snapshot_path
from blackhole_guard.wire.codes import RCode, RRType
from blackhole_guard.wire.names import pack_name
from blackhole_guard.zones.build import build_zones

_BATCHES = 40  # of 64 messages, for a round of one kind
_FULL = 400  # batches after which as many responses are kept as may be
_ENTRIES = 10_000
_OPT = bytes.fromhex("00002904d0000000000000")
_CLIENT, _STRANGER = bytes((10, 9, 9, 9)), bytes((192, 0, 2, 1))
_STEP = 9_999_991  # a prime: its multiples meet each address once


def _ask(name: bytes, rtype: RRType) -> bytes:
    return bytes.fromhex("123401000001000000000001") + name + int(rtype).to_bytes(2) + b"\0\x01" + _OPT


def _label(number: int, below: str) -> bytes:
    return pack_name(f"x{number:07x}.{below}")


def _ipv4(number: int) -> bytes:
    return reverse_name(b"\x0a" + (1 << 23 | number * _STEP % (1 << 23)).to_bytes(3))  # 10.128.0.0/9 has no records


def _ipv6(number: int) -> bytes:
    return reverse_name(b"\xfd\x12\x34" + (number * _STEP).to_bytes(13))


def _update(number: int) -> bytes:
    return number.to_bytes(4)[2:] + bytes.fromhex("28000001000000000000") + pack_name("10.in-addr.arpa") + b"\0\6\0\1"


# What makes the message of a number, and who sends it.
_KINDS: dict[str, tuple[Callable[[int], bytes], bytes]] = {
    "REFUSED: a name outside our zones": (lambda n: _ask(_label(n, "example.com"), RRType.A), _CLIENT),
    "REFUSED: a client that may not ask": (lambda n: _ask(_ipv4(n), RRType.PTR), _STRANGER),
    "REFUSED: an UPDATE": (_update, _CLIENT),
    "FORMERR: a name that runs over the end": (lambda n: _ask(b"\x3f" + n.to_bytes(8), RRType.A), _CLIENT),
    "NXDOMAIN: a name in 10.in-addr.arpa": (lambda n: _ask(_label(n, "10.in-addr.arpa"), RRType.PTR), _CLIENT),
    "NXDOMAIN: a name below home.arpa": (lambda n: _ask(_label(n, "home.arpa"), RRType.A), _CLIENT),
    "NXDOMAIN: SOA at an IPv4 address": (lambda n: _ask(_ipv4(n), RRType.SOA), _CLIENT),
    "NXDOMAIN: TXT at an IPv4 address": (lambda n: _ask(_ipv4(n), RRType.TXT), _CLIENT),
    "NXDOMAIN: ANY at an IPv6 address": (lambda n: _ask(_ipv6(n), RRType.ANY), _CLIENT),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batches", type=int, default=_BATCHES)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        snapshot = _open(Path(name))
        tally = Tally()
        path = HotPath(Engine(snapshot, _POLICY, tally), snapshot, _POLICY, tally)
        asked = _FULL * 64
        _time(path, next(iter(_KINDS)), range(asked))
        costs: dict[str, list[float]] = {kind: [] for kind in _KINDS}
        for _ in range(options.rounds):
            for kind, each in costs.items():
                each.append(_time(path, kind, range(asked, asked + 64 * options.batches)))
            asked += 64 * options.batches
        print("CPU time, us a message: the median, and the least and the most of a round")
        for kind, each in costs.items():
            print(f"    {kind:42} {statistics.median(each):6.2f}   {min(each):.2f} to {max(each):.2f}")
        snapshot.close()


def _time(path: HotPath, kind: str, numbers: range) -> float:
    """Have messages of a kind answered; returns microseconds a message."""
    make, source = _KINDS[kind]
    sender, rcode = int.from_bytes(source, sys.byteorder), RCode[kind.partition(":")[0]]
    slots = tuple(mmap(-1, 4096 + 64) for _ in range(64))
    took = 0
    for start in range(numbers.start, numbers.stop, 64):
        messages = [make(number) for number in range(start, start + 64)]
        for slot, octets in zip(slots, messages, strict=True):
            slot[: len(octets)] = octets
        batch = Batch(slots, list(map(len, messages)), [sender] * 64, False, lambda number: source)
        before = thread_time_ns()
        path.respond_batch(batch)
        took += thread_time_ns() - before
        assert len(batch.responses) == 64
        assert {slot[3] & 15 for slot in slots} == {rcode}
    return took / len(numbers) / 1000


_POLICY = make_policy(
    allow_query=("local",), recursive_clients="refuse", udp_payload_size=1232, version=None, identity=None, nsid=None
)


def _open(directory: Path) -> Snapshot:
    dataset = Dataset(directory, _ENTRIES)
    write_maps(dataset)
    settings, _ = read_settings(None, {"include": [str(dataset.maps / "*.yaml")]})
    sources, _ = load_sources(None, settings)
    zones, problems = build_zones(sources, settings)
    assert not problems, problems
    store = open_store(str(directory))
    update = plan_update(store, make_content(zones), 1.0)
    apply_update(store, update, Origin(b"", tuple(sources.files), sources.patterns), b"", 1.0)
    store.close()
    return open_snapshot(snapshot_path(str(directory)))


if __name__ == "__main__":
    main()
