"""The command measures for real, with little time; says all that is missing; and knows its names."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench import programs
from bench.throughput import rotated

ROOT = Path(__file__).parent.parent.parent


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, cwd=ROOT)


@pytest.mark.peers("dnsperf", "knotd", "gcc", "taskset", "setpriv")
def test_throughput_of_ours_and_a_peer_and_the_floor_is_measured():
    few = ("--rounds", "1", "--seconds", "0.5", "--entries", "20000")
    done = bench("throughput", "--workloads", "hits,scan", "--servers", "ours,knot,floor", *few)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [row[1] for row in rows[1:]] == ["**ours**", "knot", "floor"] * 2
    assert all(float(row[2].replace(",", "")) > 100 for row in rows[1:])  # queries a second
    assert all(0 < float(row[4]) < 5000 for row in rows[1:])  # us a query


@pytest.mark.peers("dnsperf", "nsd", "gcc", "taskset", "setpriv")
def test_tcp_is_measured():
    done = bench("tcp", "--servers", "ours,nsd", "--rounds", "1", "--seconds", "0.5")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [row[1] for row in rows[1:]] == ["**ours**", "nsd"] * 3


@pytest.mark.peers("dnsperf", "taskset", "setpriv")
def test_workers_are_measured():
    done = bench("workers", "--rates", "500", "--rounds", "1", "--seconds", "0.5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "two servers of one worker" in done.stdout


@pytest.mark.peers("gcc", "named", "taskset", "setpriv")
def test_latency_is_measured():
    done = bench("latency", "--servers", "ours,bind,floor", "--rates", "500", "--rounds", "1", "--seconds", "0.5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| 500 | **ours** |" in done.stdout


@pytest.mark.peers("dnsperf", "named", "taskset", "setpriv")
def test_dnstap_is_measured():
    done = bench("dnstap", "--rate", "500", "--seconds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| 500 |")]
    completed, counted = (int(cell.replace(",", "")) for cell in row[2:4])
    assert 0 < counted <= completed + 10


@pytest.mark.peers("dnsperf", "named", "unbound", "taskset", "setpriv")
def test_troubles_of_a_receiver_are_measured():
    done = bench("dnstap", "--trouble", "--rate", "200", "--seconds", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| with evil producers |" in done.stdout


@pytest.mark.peers("tcpdump", "taskset", "setpriv")
def test_scans_are_measured_and_exact():
    done = bench("scan", "--packets", "20000", "--rounds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [row[1] for row in rows[1:]] == ["**ours**", "without libpcap", "tcpdump"] * 4


def test_a_name_that_is_not_known_is_told_with_those_that_are():
    done = bench("throughput", "--servers", "ours,powerdns")
    assert done.returncode == 2
    assert "'powerdns' is none of ours, knot, nsd, bind, floor, before" in " ".join(done.stderr.split())


def test_all_that_is_missing_is_named_at_once_with_its_remedy(monkeypatch):
    monkeypatch.setattr(programs, "find_program", lambda name: None)
    assert programs.missing({"knotd", "py-spy", "taskset"}, {"no_such_module"}) == [
        "knotd: script/peers",
        "py-spy: script/setup dev bench",
        "taskset: apt install util-linux",
        "Python's no_such_module: script/setup dev bench",
    ]


def test_each_server_comes_first_in_its_turn():
    servers = ["a", "b", "c"]
    assert [rotated(servers, round_) for round_ in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


@pytest.mark.peers("dnsperf", "taskset", "setpriv")
def test_what_the_tops_cost_is_measured_in_pairs():
    done = bench("accounting", "--workloads", "mixed", "--rounds", "2", "--seconds", "0.5")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [row[1] for row in rows[1:]] == ["on", "off"]
    assert 0.2 < float(rows[1][4]) < 5
