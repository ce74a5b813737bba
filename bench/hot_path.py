"""What the liberties of answering/hot_path.py are worth, in ns a message: python -m bench.hot_path

20,000 names are asked at random, so that what belongs to one is not in the CPU's first caches. The first line is
`HotPath.respond_batch` itself; the plain ways are the same loop, with the same work, written the other way. Then a
scan: a million names at random, where hardly one is asked twice while its response is kept.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from mmap import mmap
from pathlib import Path
from typing import Any

from bench import data
from bench.liberties import print_ways, time_ways
from blackhole_guard.answering import hot_path
from blackhole_guard.answering.batch import Batch
from blackhole_guard.answering.engine import Engine
from blackhole_guard.answering.hot_path import HotPath
from blackhole_guard.answering.policy import make_policy
from blackhole_guard.answering.tails import HEAD, UNKNOWN
from blackhole_guard.answering.tally import Tally
from blackhole_guard.reserved.addresses import reverse_name
from blackhole_guard.store.content import Content, StoredZone
from blackhole_guard.store.snapshot import Snapshot, open_snapshot
from blackhole_guard.store.snapshot_file import Meta, write_snapshot_file
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.columns import Addresses, Rows, Values
from blackhole_guard.wire.names import pack_name
from blackhole_guard.wire.records import RRset
from blackhole_guard.wire.values import make_ptrs

_NAMES = 20_000
_SCANNED = 1_000_000
_WARM = 1000  # batches of a scan until all is kept that may be
_BATCHES = 300  # of 64 messages, for a round of one way
_ROOM = 1 << 15  # for all of them
_OPT = bytes.fromhex("0000291000000000000000")
_SOURCE = bytes((10, 9, 9, 9))
_SENDER = int.from_bytes(_SOURCE, sys.byteorder)
_ADDRESSES = [bytes((10, number % 80, number // 80 % 250, 7)) for number in range(_NAMES)]

_KEPT = hot_path._MOST

_Respond = Callable[[Batch], None]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batches", type=int, default=_BATCHES)
    parser.add_argument("--scanned", type=int, default=_SCANNED)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        snapshot = _write(Path(folder) / "zones.mdb")
        hot_path._MOST = _ROOM
        known, regions = _learn(snapshot), _make(snapshot)
        for address in _ADDRESSES:
            regions.respond(_query(address[:2] + b"\0\x09"), _SOURCE, over_tcp=False)  # teaches the region alone
        for cache in regions._caches:
            cache.clear()
        # The entries of the plain ways are made one behind the other, as those of HotPath were.
        plain = _Plain(known)
        ways: dict[str, _Respond] = {
            "HotPath: whole messages, values octets": known.respond_batch,
            "keys end with the question, whose end is guessed": plain.guess,
            "and is always searched for": plain.search,
            "guessed, values tuples in a list a key": plain.tuples,
            "searched for, values tuples": plain.search_tuples,
            "HotPath: PTR from a region": partial(_respond_uncached, regions),
            "Engine": _EngineLoop(snapshot).respond_batch,
        }
        _compare(_ADDRESSES, ways, options.rounds, options.batches)
        _compare_singly(known, options.rounds, options.batches)
        snapshot.close()
        hot_path._MOST = _KEPT
        addresses = [data.address(entry) for entry in range(options.scanned)]
        _compare_scans(Path(folder), addresses, options.rounds, options.batches)


def _compare_scans(folder: Path, addresses: Sequence[bytes], rounds: int, batches: int) -> None:
    snapshot = _write(folder / "scan.mdb", addresses)
    paths = {
        "HotPath, a scan": _make(snapshot),
        "responses are looked for, too": _make(snapshot),
        "and shelves are views of LMDB's": _make(_Views(snapshot)),
    }
    ways = {
        name: path.respond_batch if name.startswith("HotPath") else partial(_respond_looking, path)
        for name, path in paths.items()
    }
    _compare(addresses, ways, rounds, batches, warm=_WARM)
    snapshot.close()


class _Views:
    """A snapshot that knows no place of anything in its file."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def __getattr__(self, name: str) -> Any:
        return getattr(self._snapshot, name)

    def locate(self, shelf: memoryview) -> tuple[memoryview, int]:
        return shelf, 0


def _respond_looking(path: HotPath, batch: Batch) -> None:
    path._blind = 0
    path.respond_batch(batch)


def _compare(
    addresses: Sequence[bytes], ways: dict[str, _Respond], rounds: int, batches: int, *, warm: int = 0
) -> None:
    slots = tuple(mmap(-1, 4096 + 64) for _ in range(64))
    queries = [_query(address) for address in addresses]
    chance = random.Random(1)
    empty: dict[str, _Respond] = {"filling the slots": lambda batch: None}
    made = {name: _rounds(respond, slots, queries, chance, batches) for name, respond in (empty | ways).items()}
    for respond in ways.values() if warm else ():
        _rounds(respond, slots, queries, chance, warm)()
    costs = time_ways(made, rounds)
    filling = costs.pop("filling the slots")
    print_ways(f"{len(addresses)} names, ns a message", {name: cost - filling for name, cost in costs.items()})


def _respond_uncached(path: HotPath, batch: Batch) -> None:
    """Answer without keeping any of it."""
    hot_path._MOST = 0
    path._keep = lambda key, kind, rest: None
    path.respond_batch(batch)
    hot_path._MOST = _ROOM
    assert not any(path._caches)


def _compare_singly(path: HotPath, rounds: int, batches: int) -> None:
    """What a message that comes by itself costs, as all do over TCP."""
    queries = [_query(address) for address in _ADDRESSES]
    chance = random.Random(1)

    def ask(*, searching: bool) -> int:
        for octets in chance.choices(queries, k=64 * batches):
            if searching:
                path._kind = 0  # never right
            path.respond(octets, _SOURCE, over_tcp=True)
        return 64 * batches

    ways = {"HotPath.respond: whole messages": partial(ask, searching=False), "not usual": partial(ask, searching=True)}
    print_ways(f"{_NAMES} names one by one, ns a message", time_ways(ways, rounds))


def _rounds(
    respond: _Respond, slots: tuple[mmap, ...], queries: list[bytes], chance: random.Random, batches: int
) -> Callable[[], int]:
    def run() -> int:
        for _ in range(batches):
            asked = chance.choices(queries, k=64)
            for slot, octets in zip(slots, asked, strict=True):
                slot[: len(octets)] = octets
            batch = Batch(slots, list(map(len, asked)), [_SENDER] * 64, False, lambda number: _SOURCE)
            respond(batch)
            assert not batch.responses or (len(batch.responses) == 64 and min(batch.responses) > 60)
        return 64 * batches

    return run


class _Plain:
    """The loop of `HotPath.respond_batch` over what a path has learned, in plainer ways."""

    def __init__(self, path: HotPath) -> None:
        self._path = path
        cache = {key.removesuffix(_OPT): rest for key, rest in path._caches[1].items()}
        self._octets = {bytes(bytearray(key)): bytes(bytearray(rest)) for key, rest in cache.items()}
        self._tuples: dict[bytes, list[Any]] = {}
        for key, rest in cache.items():
            head, account = path._forms.known[1][rest[-1]]
            entry = (head, bytes(bytearray(rest[:-1])), len(rest) - 1, account)
            self._tuples[bytes(bytearray(key))] = [None, entry, None, None, None]

    def guess(self, batch: Batch) -> None:
        path, done, behind = self._path, batch.responses.append, len(_OPT) + 2
        assert path._clients.issuperset(batch.senders)
        find_tail, find, forms = path._tails.known.get, self._octets.get, path._forms.known
        for slot, size in zip(batch.slots, batch.sizes, strict=False):
            message = slot[2:size]
            end = size - behind
            kind, expected, _ = find_tail(message[end : end + HEAD], UNKNOWN)
            if expected == behind:
                rest = find(message[:end].lower())
                if rest is not None:
                    head, account = forms[kind][rest[-1]]
                    account[0] += 1
                    slot[2:12] = head
                    end += 2
                    after = end + len(rest)
                    slot[end:after] = rest
                    done(after - 1)

    def search(self, batch: Batch) -> None:
        path, done = self._path, batch.responses.append
        assert path._clients.issuperset(batch.senders)
        find_tail, find, forms = path._tails.known.get, self._octets.get, path._forms.known
        for slot, size in zip(batch.slots, batch.sizes, strict=False):
            message = slot[2:size]
            key = message.lower()
            end = key.find(0, 10) + 5
            kind, expected, _ = find_tail(message[end : end + HEAD], UNKNOWN)
            if expected == size - end:
                rest = find(key[:end])
                if rest is not None:
                    head, account = forms[kind][rest[-1]]
                    account[0] += 1
                    slot[2:12] = head
                    end += 2
                    after = end + len(rest)
                    slot[end:after] = rest
                    done(after - 1)

    def tuples(self, batch: Batch) -> None:
        path, done, behind = self._path, batch.responses.append, len(_OPT) + 2
        assert path._clients.issuperset(batch.senders)
        find_tail, find = path._tails.known.get, self._tuples.get
        for slot, size in zip(batch.slots, batch.sizes, strict=False):
            message = slot[2:size]
            end = size - behind
            kind, expected, _ = find_tail(message[end : end + HEAD], UNKNOWN)
            if expected == behind:
                entry = find(message[:end].lower())
                if entry is not None and entry[kind] is not None:
                    head, rest, added, account = entry[kind]
                    account[0] += 1
                    slot[2:12] = head
                    end += 2
                    after = end + added
                    slot[end:after] = rest
                    done(after)

    def search_tuples(self, batch: Batch) -> None:
        path, done = self._path, batch.responses.append
        assert path._clients.issuperset(batch.senders)
        find_tail, find = path._tails.known.get, self._tuples.get
        for slot, size in zip(batch.slots, batch.sizes, strict=False):
            message = slot[2:size]
            key = message.lower()
            end = key.find(0, 10) + 5
            kind, expected, _ = find_tail(message[end : end + HEAD], UNKNOWN)
            if expected == size - end:
                entry = find(key[:end])
                if entry is not None and entry[kind] is not None:
                    head, rest, added, account = entry[kind]
                    account[0] += 1
                    slot[2:12] = head
                    end += 2
                    after = end + added
                    slot[end:after] = rest
                    done(after)


class _EngineLoop:
    def __init__(self, snapshot: Snapshot) -> None:
        self._engine = Engine(snapshot, _POLICY, Tally())

    def respond_batch(self, batch: Batch) -> None:
        for number in range(len(batch.sizes)):
            batch.put(self._engine.respond(batch.message(number), batch.source(number), over_tcp=False))


_POLICY = make_policy(
    allow_query=("local",), recursive_clients="refuse", udp_payload_size=1232, version=None, identity=None, nsid=None
)


def _make(snapshot: Any) -> HotPath:
    tally = Tally()
    path = HotPath(Engine(snapshot, _POLICY, tally), snapshot, _POLICY, tally)
    path.respond(_query(_ADDRESSES[0]), _SOURCE, over_tcp=False)
    path._clients.add(_SENDER)
    path._behind = len(_OPT) + 2
    path._tails.choose(_OPT)
    return path


def _learn(snapshot: Snapshot) -> HotPath:
    path = _make(snapshot)
    for address in _ADDRESSES:
        octets = _query(address)
        key = octets[2 : -len(_OPT)]
        path.respond(octets, _SOURCE, over_tcp=False)
        rest = path._find(key, 1)
        assert rest is not None
        path._keep(key + _OPT, 1, rest)
    return path


def _query(address: bytes) -> bytes:
    return bytes.fromhex("123401000001000000000001") + reverse_name(address) + b"\0\x0c\0\x01" + _OPT


def _write(path: Path, asked: Sequence[bytes] = _ADDRESSES) -> Snapshot:
    apex = pack_name("10.in-addr.arpa")
    server = pack_name("ns.example.com")
    soa = RRset(apex, RRType.SOA, 60, (server + pack_name("admin.example.com") + bytes(20),))
    rows = sorted(
        (address, make_ptrs(pack_name(f"host{number}.rack{number % 97}.example.com"), 3600))
        for number, address in enumerate(asked)
    )
    addresses, values = Addresses(row[0] for row in rows), Values(row[1] for row in rows)
    run = Rows.of(addresses, values)
    ns = RRset(apex, RRType.NS, 60, (server,))
    zone = StoredZone(apex, "10.0.0.0/8", "10.0.0.0/8", True, 1, soa, ns, len(rows), ())
    content = Content((zone,), (), (), lambda: iter([run]))
    write_snapshot_file(str(path), Meta(1, b"", b"", content.zones, (), ()), content)
    return open_snapshot(str(path))


if __name__ == "__main__":
    main()
