"""Queries to measure with: files for dnsperf and what a server must answer to them.

A workload is a file in dnsperf's binary form (`-B`): messages, each behind its length in two octets, which are read
from the start again and again. It costs the client less than names in text, of which `dnsperf -e` makes the same
messages but for EDNS's size, and queries may differ in more than their name. Chance is seeded: two runs ask the same.
"""

import random
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.data import Dataset, address, has_entry, reverse_name

# What each is, for people.
WORKLOADS = {
    "hits": "addresses with a name, drawn at random from all 10,000",
    "mixed": "half of them with a name, half without (NXDOMAIN), drawn from 10,000 each",
    "scan": "a million records, each asked for once at most, in another order in each round: no cache of answers helps",
    "cookie": "as `mixed`, all with the same client cookie (RFC 7873), as a BIND that forwards sends it",
    "ecs": "as `mixed`, each with one of 10,000 client subnets, /24s (RFC 7871)",
    "case": "as `mixed`, with letters of random case (0x20)",
    "plain": "as `mixed`, without EDNS",
}
SCAN = "scan"
_QUERIES = 200_000
_MISSING = 10_000  # addresses without a name, which are asked for again and again as those with one are
_SUBNETS = 10_000
_EDNS_SIZE = 1232  # octets; DNS flag day 2020
_COOKIE = b"\0\x0a\0\x08\x01\x23\x45\x67\x89\xab\xcd\xef"  # RFC 7873 section 4; `dnsperf -E 10:0123456789abcdef`


@dataclass(frozen=True)
class Workload:
    """A file of queries."""

    name: str
    path: Path
    is_there: bytes  # for each query 1: the response has a PTR record, or 0: it is NXDOMAIN
    runs: int = 0  # how often the file may be read; 0: as often as the time allows

    def expected(self, queries: int) -> int:
        """How many of the first `queries` that are sent have a PTR record."""
        whole, part = divmod(queries, len(self.is_there))
        return whole * sum(self.is_there) + sum(self.is_there[:part])

    @property
    def most(self) -> int:
        """How many queries may be sent; 0: as many as the time allows."""
        return self.runs * len(self.is_there)

    def arguments(self) -> list[str]:
        """What dnsperf is told about it."""
        return ["-B", "-d", str(self.path), *(["-n", str(self.runs)] if self.runs else [])]


def write_workload(name: str, dataset: Dataset, directory: Path, seed: int = 1) -> Workload:
    """Write the file of one of `WORKLOADS`.

    Args:
        seed: another one gives other queries.
    """
    chance = random.Random(seed)
    path = directory / f"{name}-{seed}"
    if name == SCAN:
        order = list(range(dataset.entries))
        chance.shuffle(order)
        write_messages(path, (render_query(reverse_name(address(entry, dataset.family))) for entry in order))
        return Workload(name, path, b"\1" * len(order), runs=1)
    is_there = bytes([1] * _QUERIES) if name == "hits" else bytes(chance.choice((0, 1)) for _ in range(_QUERIES))
    write_messages(path, (_render(name, owner, chance) for owner in _draw(dataset, is_there, chance)))
    return Workload(name, path, is_there)


def _render(name: str, owner: str, chance: random.Random) -> bytes:
    if name == "plain":
        return render_query(owner, None)
    if name == "cookie":
        return render_query(owner, _COOKIE)
    if name == "ecs":
        return render_query(owner, _subnet(chance.randrange(_SUBNETS)))
    if name == "case":
        return render_query("".join(chance.choice((letter.upper(), letter)) for letter in owner))
    return render_query(owner)


def _draw(dataset: Dataset, is_there: bytes, chance: random.Random) -> Iterator[str]:
    """Owner names, with a record where `is_there` says so."""
    missing: list[int] = []
    while len(missing) < _MISSING:
        number = chance.randrange(1 << 24)
        if not has_entry(number, dataset.entries):
            missing.append(number)
    for present in is_there:
        if present:
            yield reverse_name(address(chance.randrange(dataset.entries)))
        else:
            yield reverse_name(b"\x0a" + chance.choice(missing).to_bytes(3, "big"))


def write_messages(path: Path, messages: Iterable[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(len(message).to_bytes(2, "big") + message for message in messages)


def render_query(owner: str, options: bytes | None = b"") -> bytes:
    """A query for a PTR record, ID 0, with RD set as stub resolvers and dnsperf do.

    Args:
        options: those of EDNS, rendered; None: no EDNS.
    """
    name = b"".join(bytes((len(label),)) + label.encode("ascii") for label in owner.split("."))
    head = struct.pack("!6H", 0, 0x0100, 1, 0, 0, 0 if options is None else 1)
    opt = b"" if options is None else struct.pack("!BHHIH", 0, 41, _EDNS_SIZE, 0, len(options)) + options
    return head + name + b"\0\0\x0c\0\1" + opt


def _subnet(number: int) -> bytes:
    """An ECS option with a /24 of 100.64.0.0/10, which is nobody's (RFC 7871 section 6)."""
    prefix = bytes((100, 64 + (number >> 8), number & 255))
    return struct.pack("!HHHBB", 8, 4 + len(prefix), 1, 24, 0) + prefix
