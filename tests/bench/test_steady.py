"""The client that keeps time: its percentiles, and a load on the echo loop."""

from pathlib import Path

import pytest

from bench import steady
from bench.data import write_dataset
from bench.dnsperf import WrongAnswers
from bench.peers import running
from bench.queries import write_workload
from bench.steady import Load, percentiles

LOST = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("per_cent", "nanoseconds"),
    [(50, 50), (90, 90), (99, 99), (99.5, 100), (100, 100), (1, 1), (0.1, 1)],
)
def test_a_percentile_is_the_time_that_so_many_did_not_exceed(per_cent, nanoseconds):
    assert percentiles(range(100, 0, -1), [per_cent]) == [nanoseconds / 1e9]


def test_a_lost_query_is_longer_than_any():
    assert percentiles([10, LOST, 20, 30], [75, 100]) == [30 / 1e9, float("inf")]


def test_percentiles_of_a_span_of_time_are_those_of_the_queries_due_in_it():
    load = Load(start=100.0, rate=10, times=[*range(1, 21)], report=None, late=0.0)
    assert load.percentiles([100]) == [20 / 1e9]
    assert load.percentiles([100], last=101.0) == [10 / 1e9]
    assert load.percentiles([50, 100], first=101.0) == [15 / 1e9, 20 / 1e9]


@pytest.mark.peers("gcc", "taskset", "setpriv", "knotd")
def test_each_query_is_sent_and_timed(tmp_path):
    dataset = write_dataset(tmp_path / "data", 300)
    workload = write_workload("mixed", dataset, tmp_path)
    with steady.client() as client, running("knot", dataset) as server:
        load = steady.run(client, server, workload, rate=2000, seconds=0.5)
        assert load.report.sent == len(load.times) == 1000
        assert load.report.rcodes["NOERROR"] > 300
        assert load.report.rcodes["NXDOMAIN"] > 300
        assert sum(time != LOST for time in load.times) == load.report.completed
        other = write_workload("hits", dataset, tmp_path)
        wrong = type(other)("hits", Path(workload.path), other.is_there)
        with pytest.raises(WrongAnswers):
            steady.run(client, server, wrong, rate=2000, seconds=0.1)
