"""What dnsperf prints is read, and held against the queries that it sent."""

from pathlib import Path

import pytest

from bench.dnsperf import Report, Run, WrongAnswers, check, parse_report
from bench.queries import Workload

PRINTED = """DNS Performance Testing Tool
Version 2.10.0

[Status] Command line: dnsperf -s 127.0.0.1 -p 26461 -l 1 -t 1 -B -d mixed
[Status] Sending queries (to 127.0.0.1:26461)
[Status] Testing complete (time limit)
[Timeout] Query timed out: msg id 5

Statistics:

  Queries sent:         1003
  Queries completed:    1000 (99.70%)
  Queries lost:         3 (0.30%)

  Response codes:       NOERROR 600 (60.00%), NXDOMAIN 400 (40.00%)
  Average packet size:  request 53, response 102
  Run time (s):         0.500000
  Queries per second:   2000.000000

  Average Latency (s):  0.000282 (min 0.000011, max 0.003881)
  Latency StdDev (s):   0.000214

"""


def test_a_report_is_what_dnsperf_has_printed():
    report = parse_report(PRINTED)
    assert report == Report(1003, 1000, 3, 0.5, 102, {"NOERROR": 600, "NXDOMAIN": 400})
    assert report.qps == 2000
    assert Run(report, cpu=0.4).cpu_us == pytest.approx(400)
    assert Run(report, cpu=0.4).busy == pytest.approx(0.8)


@pytest.mark.parametrize(
    "printed",
    ["", "dnsperf: cannot read", PRINTED.replace("completed:    1000", "completed:    0")],
    ids=["nothing", "an error", "nothing answered"],
)
def test_what_has_no_answers_is_no_report(printed):
    with pytest.raises(ValueError, match=r"dnsperf|answered"):
        parse_report(printed)


WORKLOAD = Workload("mixed", Path("mixed"), bytes([1, 0, 0]))


@pytest.mark.parametrize(
    ("sent", "rcodes"),
    [
        (3, {"NOERROR": 1, "NXDOMAIN": 2}),
        (7, {"NOERROR": 3, "NXDOMAIN": 4}),  # the file twice, and its first line once more
        (7, {"NOERROR": 3, "NXDOMAIN": 3}),  # one was lost
        (7, {"NOERROR": 2, "NXDOMAIN": 4}),
    ],
)
def test_right_answers_pass(sent, rcodes):
    check("knot", WORKLOAD, Report(sent, sum(rcodes.values()), sent - sum(rcodes.values()), 1, 100, rcodes))


@pytest.mark.parametrize(
    ("sent", "rcodes"),
    [
        (3, {"NOERROR": 2, "NXDOMAIN": 1}),
        (3, {"REFUSED": 3}),
        (3, {"NOERROR": 1, "NXDOMAIN": 1, "SERVFAIL": 1}),
        (7, {"NOERROR": 4, "NXDOMAIN": 2}),  # one was lost, but there is no query that could have had the fourth
    ],
)
def test_a_wrong_answer_is_no_speed(sent, rcodes):
    with pytest.raises(WrongAnswers, match="knot, mixed"):
        check("knot", WORKLOAD, Report(sent, sum(rcodes.values()), sent - sum(rcodes.values()), 1, 100, rcodes))
