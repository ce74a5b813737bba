"""Starts, memory, reloads and distinct queries are measured for real, with few records; their arithmetic is exact."""

from ipaddress import ip_address, ip_network

import pytest

from bench import flat, memory, reloads, starts
from bench.tables import OURS

_RESERVED = [
    *("10.0.0.0/8", "172.16.0.0/12", "100.64.0.0/10", "192.168.0.0/16"),
    *("0.0.0.0/8", "169.254.0.0/16", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    *("fd00::/8", "fe80::/10", "2001:db8::/32"),
]


@pytest.mark.peers("nsd", "taskset", "setpriv")
def test_starts_are_measured_and_an_unchanged_one_loads_nothing():
    table = starts.measure(starts.Plan((OURS, "nsd"), (20_000,), rounds=1))
    assert [*table.samples] == [
        ("20,000, cold", OURS),
        ("20,000, cold", "nsd"),
        ("20,000, unchanged", OURS),
        ("20,000, cold, telemetry off", OURS),
    ]
    assert all(0 < seconds < 60 for row in table.samples.values() for seconds in row["seconds"])


@pytest.mark.peers("knotd", "dnsperf", "taskset", "setpriv")
def test_memory_is_measured(monkeypatch):
    monkeypatch.setattr(memory, "_SETTLED", 1.0)
    cases = (memory.Case("few", 2_000, has_peers=True, reloads=True), memory.Case("IPv6", 2_000, 6, workers=2))
    table = memory.measure(memory.Plan((OURS, "knot"), 1, cases))
    assert [*table.samples] == [("few", OURS), ("few", "knot"), ("IPv6", OURS)]
    assert set(table.samples["few", OURS]) == {"start", "asked", "reloaded"}
    for (_, server), row in table.samples.items():
        # MiB. What other processes map, too, counts in part: of a Knot beside those of other tests little is left.
        assert all((5 if server == OURS else 1) < seen[0] / 1024 < 500 for seen in row.values()), (server, row)


@pytest.mark.peers("gcc", "taskset", "setpriv")
def test_reloads_are_measured_and_lose_nothing():
    table = reloads.measure(reloads.Plan(2_000, 500, rounds=2))
    row = table.samples["2,000", OURS]
    assert row["lost"] == [0, 0]
    assert all(0 < seconds < 60 for key in ("visible", "check", "p99", "quiet") for seconds in row[key])


@pytest.mark.peers("dnsperf", "taskset", "setpriv")
def test_memory_under_distinct_queries_is_measured():
    table = flat.measure(flat.Plan(10_000, 2))
    assert 5 < table.figure("2", OURS, "warm") / 1024 < 500


def test_each_number_has_an_address_of_its_own_in_the_reserved_space():
    blocks = [ip_network(block) for block in _RESERVED]
    addresses = {flat.find_address(number) for number in range(200_000)}
    assert len(addresses) == 200_000
    seen = {block for octets in addresses for block in blocks if ip_address(octets) in block}
    assert seen >= {
        block for block in blocks if block.num_addresses > 1 << 15
    }  # the others are found by few of 200,000
    for octets in [*addresses][:2000]:
        assert any(ip_address(octets) in block for block in blocks)
