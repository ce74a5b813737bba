"""The sketches, measured on a short stream."""

from bench import tops


def test_each_capacity_is_measured_fed_both_ways():
    table = tops.measure(tops.Plan(keys=60_000, clients=5_000, capacities=(512, 1024), rounds=1))
    assert table.groups() == ["512", "1,024"]
    assert table.subjects() == ["key by key", "in batches of 1,000"]
    for group in table.groups():
        for subject in table.subjects():
            assert table.figure(group, subject, "wrong") == 0
            assert table.figure(group, subject, "found") >= 90
            assert table.figure(group, subject, "floor") <= table.figure(group, subject, "limit")
            assert 0 < table.figure(group, subject, "memory") < 1 << 20
            assert table.figure(group, subject, "cost") > 0
