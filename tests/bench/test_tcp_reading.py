"""Each way to serve connections answers what dnsperf sends."""

import pytest

from bench import tcp_reading


@pytest.mark.alone
@pytest.mark.peers("dnsperf", "taskset")
def test_each_way_answers_all_queries(capsys):
    tcp_reading.main(["--rounds", "1", "--seconds", "0.2"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == ["add_reader", "epoll, once", "epoll, again"]
