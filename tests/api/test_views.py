"""The documents of what is known: what is in them, and what is said where there is nothing."""

import json

import pytest
from known_facts import NOW, ask, make_api, make_known, make_observed, make_zones, read, validate
from observers import Rig

from blackhole_guard.api.diagnosis import make_diagnosis, point_to_integrate
from blackhole_guard.api.known import Rounds
from blackhole_guard.api.resources import ROOT
from blackhole_guard.leaks.counts import Sampling
from blackhole_guard.leaks.tops import Tops
from blackhole_guard.reserved.registry import BLOCKS, ZONES, Sink


@pytest.fixture
def rig():
    rig = Rig()
    rig.start_workers()
    rig.meters[0].add_counts(
        {
            ("leaks_averted", "10.0.0.0/8", "as112", "host", "nxdomain"): 5,
            ("leaks_averted", "10.0.0.0/8", "as112", "network", "answered"): 1,
            ("unmapped_queries", "10.0.0.0/8"): 4,
            ("searches_ended", "10.0.0.0/8", "as112"): 2,
            ("queries", "udp", "ipv4", "PTR", "NXDOMAIN"): 5,
            ("queries", "tcp", "ipv6", "PTR", "NOERROR"): 1,
            ("worker_errors",): 1,
            ("refused", "outside"): 3,
        }
    )
    rig.meters[1].add_counts({("leaks_averted", "10.0.0.0/8", "as112", "host", "nxdomain"): 2})
    rig.meters[1].set("tcp_connections", 9)
    return rig


@pytest.fixture
def api(rig):
    return make_api(make_known(rig))


def test_a_block_has_what_all_workers_counted_of_it(api):
    blocks = read(api, "blocks")["blocks"]
    assert [each["block"] for each in blocks] == list(BLOCKS)
    assert sum(each["zones"] for each in blocks) == len(ZONES)
    assert blocks[0] == {
        "block": "10.0.0.0/8",
        "sink": "as112",
        "what": "private use",
        "zones": 1,
        "averted": 8,
        "shapes": {"host": 7, "network": 1},
        "outcomes": {"nxdomain": 7, "answered": 1},
        "unmapped": 4,
        "searches_ended": 2,
        "observed": None,
    }


def test_a_sink_has_its_blocks_and_its_servers(api):
    sinks = {each["sink"]: each for each in read(api, "sinks")["sinks"]}
    assert list(sinks) == list(Sink)
    as112 = sinks["as112"]
    assert (as112["averted"], as112["observed"]) == (8, None)
    assert as112["prefixes"] == ["192.175.48.0/24", "2620:4f:8000::/48"]
    assert {"name": "blackhole-1.iana.org", "ipv4": "192.175.48.6", "ipv6": "2620:4f:8000::6"} in as112["servers"]
    assert "10.0.0.0/8" in as112["blocks"]
    assert sinks["root"]["servers"] == []


def test_averted_leaks_are_shown_by_all_that_they_are_counted_by(api):
    document = read(api, "leaks/averted")
    assert document["total"] == 8
    assert document["series"] == [
        {"block": "10.0.0.0/8", "sink": "as112", "shape": "host", "outcome": "nxdomain", "count": 7},
        {"block": "10.0.0.0/8", "sink": "as112", "shape": "network", "outcome": "answered", "count": 1},
    ]


def test_each_worker_has_what_it_counted(rig):
    rig.control.beat(0, 990.0)
    rig.control.beat(1, 2000.0)  # its clock was ahead
    rig.control.note_restart(1)
    document = read(make_api(make_known(rig)), "workers")
    assert (document["ready"], document["reason"], document["generation"]) == (True, None, 1)
    first, second = document["workers"]
    assert first == {
        "slot": 0,
        "alive": True,
        "silent_for": 10.0,
        "restarts": 0,
        "queries": 6,
        "averted": 6,
        "refused": 3,
        "errors": 1,
        "tcp_connections": 0,
    }
    assert (second["silent_for"], second["restarts"], second["tcp_connections"]) == (0.0, 1, 9)


def test_a_worker_that_never_was_there_gave_no_sign():
    document = read(make_api(), "workers")
    assert (document["ready"], document["reason"]) == (False, "no zones are loaded yet")
    assert [(each["alive"], each["silent_for"]) for each in document["workers"]] == [(False, None)] * 2


def test_zones_come_in_pages():
    api = make_api(make_known(served=lambda: make_zones(mapped=120, built_in=5)))
    document = read(api, "zones")
    assert (document["generation"], document["digest"], document["matching"]) == (7, "ab12", 125)
    assert len(document["zones"]) == 100
    assert document["zones"][1] == {
        "zone": "1.in-addr.arpa.",
        "label": "1.0.0.0/8",
        "serial": 1,
        "records": 1,
        "mapped": True,
    }
    rest = read(api, "zones", "offset=100&limit=1000")
    assert (rest["offset"], len(rest["zones"])) == (100, 25)
    built_in = read(api, "zones", "kind=built-in&limit=2")
    assert (built_in["matching"], [each["mapped"] for each in built_in["zones"]]) == (5, [False, False])
    assert read(api, "zones", "kind=mapped&offset=1000")["zones"] == []


def test_windows_and_tops_are_those_of_the_keeper():
    tops = Tops()
    tops.add([(bytes((10, 0, 0, 1)), bytes((10, 9, 9, 9)), True, 3)], Sampling(50, 4), NOW)
    api = make_api(make_known(tops=tops))
    windows = read(api, "windows")["windows"]
    assert [(each["window"], each["seconds"], each["pane_seconds"]) for each in windows] == [
        ("5m", 300, 30),
        ("1h", 3600, 300),
        ("1d", 86400, 3600),
    ]
    assert {(each["total"], each["passed"], each["one_in"]) for each in windows} == {(3, 50, 4)}
    document = read(api, "tops", "window=5m&limit=1")
    assert document["window"] == "5m"
    assert document["clients"] == [
        {"client": "10.0.0.1", "address": None, "count": 3, "error": 0, "sampling_error": 33}
    ]


def test_the_doctors_last_round_is_shown():
    found = make_diagnosis([], point_to_integrate, NOW)
    api = make_api(make_known(rounds=Rounds(lambda: found)))
    assert read(api, "doctor") == {"format": 1, "at": NOW, "exit_code": 0, "leaks": False, "resolvers": []}


def test_explain_is_asked_for_a_name():
    assert read(make_api(), "explain", "name=10.0.0.3")["target"] == "10.0.0.3"


@pytest.mark.parametrize(
    ("path", "query", "status", "detail"),
    [
        ("windows", "", 404, "the server keeps no tops"),
        ("tops", "", 404, "the server keeps no tops"),
        ("leaks/observed", "", 404, "nobody tells the server of leaks"),
        ("leaks/observed/recent", "", 404, "nobody tells the server of leaks"),
        ("leaks/observed/tops", "", 404, "nobody tells the server of leaks"),
        ("doctor", "", 404, "the server examines no resolvers"),
        ("zones", "", 503, "no zones are loaded yet"),
        ("explain", "", 400, "`name` is missing"),
        ("explain", "name=", 400, "`name`: Expected `str` of length >= 1"),
        ("tops", "limit=1001", 400, "`limit`: Expected `int` <= 1000"),
        ("leaks/observed/recent", "sink=hell", 400, "`sink`: Invalid enum value 'hell'"),
        ("leaks/observed/tops", "via=hearsay", 400, "`via`: Invalid enum value 'hearsay'"),
    ],
)
def test_what_there_is_not_is_said_with_what_to_do(path, query, status, detail):
    response = ask(make_api(), path, query)
    problem = json.loads(response.body)
    assert (response.status, response.content_type) == (status, "application/problem+json")
    assert (problem["status"], problem["detail"]) == (status, detail)
    validate(problem, f"{ROOT}/{path}", str(status))


@pytest.mark.parametrize("path", ["leaks/observed", "leaks/observed/recent", "leaks/observed/tops"])
def test_either_kind_of_evidence_is_named_where_there_is_none(path):
    hint = json.loads(ask(make_api(), path).body)["hint"]
    assert "`leaks: {watch: {enabled: true}}` or `leaks: {dnstap: {socket: " in hint


def test_the_first_round_is_waited_for_and_a_block_that_there_is_not_is_said():
    api = make_api(make_known(rounds=Rounds(lambda: None), observed=make_observed()))
    response = ask(api, "doctor")
    assert (response.status, response.headers) == (503, {"Retry-After": "5"})
    problem = json.loads(ask(api, "leaks/observed/recent", "block=10.0.0.0%2F9").body)
    assert (problem["status"], problem["detail"]) == (400, "`block`: there is no such block")
    assert problem["hint"].startswith("one of: 10.0.0.0/8, ")
