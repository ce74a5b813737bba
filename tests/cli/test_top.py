"""`top`, on what an observer has kept."""

import json
import time
from ipaddress import ip_address

import pytest
from known_facts import validate
from test_watch_reports import see

from blackhole_guard.api.resources import ROOT
from blackhole_guard.leaks.clients import NETWORKS
from blackhole_guard.leaks.counts import Sampling
from blackhole_guard.leaks.evidence import Via
from blackhole_guard.leaks.leak_tops import SlidingTops
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.leaks.observed_state import dump_observed
from blackhole_guard.leaks.tops import Tops

ALL = Sampling(0, 1)


def row(client, address, weight=1):
    return ip_address(client).packed, ip_address(address).packed, True, weight


@pytest.fixture
def keep(tmp_path):
    def keep(tops):
        (tmp_path / "tops").write_bytes(tops.dump())

    return keep


@pytest.fixture
def top(run, tmp_path):
    return lambda *words: run("top", "--state-dir", str(tmp_path), *words)


def make_tops(*rows, sampling=ALL, **settings):
    tops = Tops(**settings)
    tops.add(rows, sampling, time.time())
    return tops


def test_clients_addresses_and_pairs_are_shown(keep, top):
    keep(make_tops(row("10.0.0.1", "10.9.9.9", 3), row("fd00::1", "10.9.9.9")))
    done = top()
    assert done.code == 0
    assert done.lines[0].startswith("4 averted leaks from ")
    words = [line.split() for line in done.lines]
    assert ["10.0.0.1", "3"] in words
    assert ["10.9.9.9", "4"] in words
    assert ["fd00::1", "10.9.9.9", "1"] in words


def test_what_is_an_estimate_says_so(keep, top):
    keep(make_tops(row("10.0.0.1", "10.9.9.9", 6400), sampling=Sampling(6400, 64)))
    done = top("--window", "1d")
    assert "of up to 64 messages one was looked at, 6,400 were not" in done.out
    assert "+-" in done.out


def test_as_many_as_wanted_as_json(keep, top):
    keep(make_tops(*(row(f"10.0.0.{n}", "10.9.9.9", n) for n in range(1, 9)), fold=NETWORKS))
    report = json.loads(top("--json", "-n", "1", "--window", "5m").out)
    validate(report, f"{ROOT}/tops")
    assert report["window"] == "5m"
    assert report["clients"] == [
        {"client": "10.0.0.0/24", "address": None, "count": 36, "error": 0, "sampling_error": 0}
    ]


def test_without_any_it_says_what_that_may_mean(top):
    done = top()
    assert (done.code, done.out) == (1, "")
    assert "No such file or directory; no averted leak was counted yet, or telemetry.tops is off" in done.err


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(lambda path: path.write_bytes(b"damaged"), "damaged"), (lambda path: path.mkdir(), "Is a directory")],
)
def test_what_cannot_be_read_is_not_taken_for_missing(top, tmp_path, spoil, reason):
    spoil(tmp_path / "tops")
    done = top()
    assert (done.code, done.out) == (1, "")
    assert reason in done.err
    assert "telemetry.tops" not in done.err


def test_a_window_that_there_is_not_is_wrong_use(top):
    assert top("--window", "2h").code == 2


def observe(*vias):
    observed = Observed(lambda: SlidingTops(time.time))
    for via in vias:
        observed.add(see()._replace(via=via))
    return dump_observed(observed)


def test_observed_leaks_are_shown_by_evidence(top, tmp_path):
    (tmp_path / "leaks").write_bytes(observe(Via.PACKETS, Via.DNSTAP, Via.DNSTAP))
    done = top("--observed")
    assert done.code == 0
    assert [line.partition(" from ")[0] for line in done.lines if " from " in line] == [
        "1 leak seen by packets",
        "2 leaks seen by dnstap",
    ]
    assert ["10.0.0.53", "10.0.0.3", "2"] in [line.split() for line in done.lines]
    assert "must not be added" in done.out


def test_observed_leaks_as_json(top, tmp_path):
    (tmp_path / "leaks").write_bytes(observe(Via.PACKETS))
    report = json.loads(top("--observed", "--json").out)
    validate(report, f"{ROOT}/leaks/observed/tops")
    assert [each["count"] for each in report["packets"]["clients"]] == [1]
    assert set(report) == {"packets"}


def test_without_an_observed_one_it_says_why(top):
    done = top("--observed")
    assert (done.code, done.out) == (1, "")
    assert "no leak was observed yet" in done.err
