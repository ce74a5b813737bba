"""The client that is never the limit counts what it sends and gets, and believes no wrong answer."""

import socket
from dataclasses import replace
from types import SimpleNamespace

import pytest

from bench import eager
from bench.data import write_dataset
from bench.dnsperf import WrongAnswers
from bench.peers import running
from bench.queries import SCAN, write_workload

pytestmark = pytest.mark.peers("gcc", "taskset", "setpriv", "knotd")


def test_each_query_is_sent_and_its_response_counted(tmp_path):
    dataset = write_dataset(tmp_path / "data", 300)
    workload = write_workload("mixed", dataset, tmp_path)
    with eager.client() as client, running("knot", dataset) as server:
        run = eager.run(client, server, workload, 0.3)
        assert run.report.completed + run.report.lost == run.report.sent > 1000
        assert run.report.rcodes["NOERROR"] + run.report.rcodes["NXDOMAIN"] == run.report.completed
        assert 0.3 <= run.report.seconds < 3
        assert 60 < run.report.response_octets < 200
        assert run.cpu > 0
        wrong = replace(workload, is_there=write_workload("hits", dataset, tmp_path).is_there)
        with pytest.raises(WrongAnswers):
            eager.run(client, server, wrong, 0.1)


def test_a_file_that_may_be_read_once_is_sent_once(tmp_path):
    dataset = write_dataset(tmp_path / "data", 300)
    with eager.client() as client, running("knot", dataset) as server:
        report = eager.run(client, server, write_workload(SCAN, dataset, tmp_path), 5).report
    assert report.sent == 300
    assert report.seconds < 5


def test_who_answers_nothing_has_no_figure(tmp_path):
    workload = write_workload("mixed", write_dataset(tmp_path / "data", 300), tmp_path)
    with eager.client() as client, socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        server = SimpleNamespace(kind="silent", port=silent.getsockname()[1], cpu_seconds=lambda: 0.0)
        with pytest.raises(SystemExit, match="silent answered nothing"):
            eager.run(client, server, workload, 0.1)
