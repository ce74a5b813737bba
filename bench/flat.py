"""Memory under queries that never repeat: distinct addresses of nearly all reserved blocks, and memory after each part.

Left out are 127.0.0.0/8 and the blocks of one address, which have records of their own.

Whatever the server remembers of queries (answers, clients, names that it has no record of) must have a bound.
"""

import random
import tempfile
import time
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from bench import dnsperf, peers
from bench.data import has_entry, reverse_name, write_dataset
from bench.queries import Workload, render_query, write_messages
from bench.tables import OURS, Column, Table

COLUMNS = (
    Column("queries", "distinct queries", 0),
    Column("warm", "MiB after the first part", 1, scale=1 / 1024),
    Column("end", "MiB at the end", 1, scale=1 / 1024),
    Column("growth", "MiB more", 1, scale=1 / 1024),
    Column("most", "MiB at most", 1, scale=1 / 1024),
    Column("qps", "queries/s", 0),
)
# Half of the queries each: 39 million addresses, and more than anybody could ask for.
_IPV4 = tuple(
    IPv4Network(block)
    for block in (
        *("10.0.0.0/8", "172.16.0.0/12", "100.64.0.0/10", "192.168.0.0/16"),
        *("0.0.0.0/8", "169.254.0.0/16", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    )
)
_IPV6 = tuple(IPv6Network(block) for block in ("fd00::/8", "fe80::/10", "2001:db8::/32"))
_ENTRIES = 10_000
_REST = 1.5  # seconds in which counters are folded
_LONGEST = 600.0  # seconds for a part
_STEP4 = 9_999_991  # a prime that divides no number of addresses below, so its multiples meet each address once
_STEP6 = 0x9E3779B97F4A7C15F39CC0605CEDC835  # odd, so its multiples modulo a power of two do not repeat


@dataclass(frozen=True)
class Plan:
    """How much to ask, in how many parts; the first one warms up."""

    queries: int = 20_000_000
    parts: int = 20


def measure(plan: Plan) -> Table:
    """Measure and return the table: ours alone, 10,000 records, everything on."""
    table = Table("flat", "Memory under queries that never repeat", "parts", "server", COLUMNS, [])
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        dataset = write_dataset(Path(name) / "data", _ENTRIES)
        with peers.running(OURS, dataset) as server:
            seen, seconds = [], 0.0
            for part in range(plan.parts):
                first, after = (plan.queries * number // plan.parts for number in (part, part + 1))
                workload = _write_part(Path(name) / "part", range(first, after))
                report = dnsperf.run(server, workload, _LONGEST, ("-T", "2", "-c", "16", "-q", "200")).report
                seconds += report.seconds
                time.sleep(_REST)
                seen.append(server.pss_kib())
            figures = {"warm": seen[0], "end": seen[-1], "growth": seen[-1] - seen[0], "most": max(seen)}
            table.add(f"{plan.parts}", OURS, queries=plan.queries, qps=plan.queries / seconds, **figures)
    return table


def _write_part(path: Path, numbers: range) -> Workload:
    """Write the queries of some numbers, no two alike, and say which are answered."""
    addresses = [find_address(number) for number in numbers]
    random.Random(numbers.start).shuffle(addresses)
    write_messages(path, (render_query(reverse_name(address)) for address in addresses))
    there = bytes(address[0] == 10 and len(address) == 4 and _is_there(address) for address in addresses)
    return Workload("flat", path, there, runs=1)


def _is_there(address: bytes) -> bool:
    return has_entry(int.from_bytes(address[1:], "big"), _ENTRIES)


def find_address(number: int) -> bytes:
    """One address for each number: even ones lie in the reserved blocks of IPv4, odd ones in those of IPv6."""
    half, is_ipv6 = divmod(number, 2)
    if is_ipv6:
        block = _IPV6[half % len(_IPV6)]
        place = half // len(_IPV6) * _STEP6 % block.num_addresses
        return (int(block.network_address) + place).to_bytes(16, "big")
    place = half * _STEP4 % sum(block.num_addresses for block in _IPV4)
    for block4 in _IPV4:
        if place < block4.num_addresses:
            return (int(block4.network_address) + place).to_bytes(4, "big")
        place -= block4.num_addresses
    raise AssertionError(number)
