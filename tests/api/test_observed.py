"""Observed leaks as documents."""

from ipaddress import IPv4Address

from known_facts import NOW, make_api, make_known, make_leak, make_observed, read

from blackhole_guard.api.documents import ObservedTops
from blackhole_guard.leaks.evidence import Certainty, Leak, Via
from blackhole_guard.leaks.leak_tops import SLIDING_CAPACITY
from blackhole_guard.leaks.observed import OTHERS, RECENT
from blackhole_guard.reserved.registry import BLOCKS, Sink
from blackhole_guard.reserved.shapes import Shape

HOSTILE = b'\x0f<script>"\\;\x1b[2J\x0210\x07in-addr\x04arpa\x00'


def make(*leaks, **fields):
    observed = make_observed(*leaks)
    return observed, make_api(make_known(observed=observed, **fields))


def test_counts_are_shown_by_all_that_they_are_counted_by():
    observed, api = make(
        make_leak("3.0.0.10.in-addr.arpa"),
        make_leak("4.0.0.10.in-addr.arpa"),
        make_leak("5.0.168.192.in-addr.arpa", server="8.8.8.8"),
        make_leak("0.10.in-addr.arpa"),
    )
    observed.settle(Via.DNSTAP, Sink.AS112, "10.0.0.0/8", 0.25)
    document = read(api, "leaks/observed")
    assert document["totals"] == {"dnstap": 3}
    assert document["since"] == NOW - 60
    assert document["series"] == [
        {"block": block, "sink": "as112", "shape": "host", "via": "dnstap", "certainty": certainty, "count": count}
        for block, certainty, count in (("10.0.0.0/8", "observed", 2), ("192.168.0.0/16", "likely", 1))
    ]
    assert document["partial"] == [{"sink": "as112", "via": "dnstap", "count": 1}]
    assert document["responses"] == [
        {"sink": "as112", "via": "dnstap", "count": 1, "seconds": 0.25, "unanswered": None}
    ]
    assert document["times"] == [
        {"block": block, "sink": "as112", "via": "dnstap", "first": NOW, "last": NOW}
        for block in ("10.0.0.0/8", "192.168.0.0/16")
    ]
    blocks = {each["block"]: each["observed"] for each in read(api, "blocks")["blocks"]}
    assert blocks["10.0.0.0/8"] == {"dnstap": {"observed": 2}}
    assert blocks["192.168.0.0/16"] == {"dnstap": {"likely": 1}}
    assert blocks["127.0.0.0/8"] == {}
    sinks = {each["sink"]: each["observed"] for each in read(api, "sinks")["sinks"]}
    assert (sinks["as112"], sinks["root"]) == ({"dnstap": {"observed": 2, "likely": 1}}, {})


def test_two_kinds_of_evidence_are_never_added_up():
    name = "3.0.0.10.in-addr.arpa"
    leaks = [make_leak(name, via=Via.PACKETS), make_leak(name, via=Via.PACKETS, at=NOW + 5), make_leak(name)]
    observed, api = make(*leaks, make_leak("4.0.0.10.in-addr.arpa", server="8.8.8.8"))
    for seconds in (0.5, None, None):
        observed.settle(Via.PACKETS, Sink.AS112, "10.0.0.0/8", seconds)
    observed.settle(Via.PACKETS, Sink.AS112, "172.16.0.0/12", None)  # its leak was counted by an observer before this
    counts = {"packets": {"observed": 2}, "dnstap": {"observed": 1, "likely": 1}}
    assert {each["block"]: each["observed"] for each in read(api, "blocks")["blocks"]}["10.0.0.0/8"] == counts
    assert {each["sink"]: each["observed"] for each in read(api, "sinks")["sinks"]}["as112"] == counts
    document = read(api, "leaks/observed")
    assert document["totals"] == {"packets": 2, "dnstap": 2}
    assert document["responses"] == [{"sink": "as112", "via": "packets", "count": 1, "seconds": 0.5, "unanswered": 3}]
    assert [(each["via"], each["first"], each["last"]) for each in document["times"]] == [
        ("packets", NOW, NOW + 5),
        ("dnstap", NOW, NOW),
    ]
    tops = read(api, "leaks/observed/tops")
    assert {via: report["total"] for via, report in tops.items()} == {"packets": 2, "dnstap": 2}
    assert [(each["address"], each["count"]) for each in tops["packets"]["addresses"]] == [("10.0.0.3", 2)]


def test_a_block_has_its_leaks_even_where_the_metrics_have_no_series_left():
    observed, api = make()
    leaks = [
        Leak(NOW, Via.DNSTAP, certainty, block, sink, shape, b"\x00", 12, None, None, None, None)
        for block, sink in BLOCKS.items()
        for shape in Shape
        for certainty in Certainty
    ]
    for leak in leaks:
        observed.add(leak)
    assert OTHERS in {each["block"] for each in read(api, "leaks/observed")["series"]}
    counts = {"dnstap": dict.fromkeys(("observed", "likely", "possible"), len(Shape) - 1)}
    assert [each["observed"] for each in read(api, "blocks")["blocks"]] == [counts] * len(BLOCKS)
    for each in read(api, "sinks")["sinks"]:
        number = sum(sink is Sink(each["sink"]) for sink in BLOCKS.values()) * (len(Shape) - 1)
        assert each["observed"] == ({"dnstap": dict.fromkeys(counts["dnstap"], number)} if number else {})


def test_tops_are_those_of_a_window_by_evidence_with_as_many_lines_as_wanted():
    leaks = [make_leak(f"{n}.0.0.10.in-addr.arpa", client=f"10.1.0.{n % 4}") for n in range(8)]
    _, api = make(*leaks, make_leak("3.0.0.10.in-addr.arpa", via=Via.PACKETS))
    document = read(api, "leaks/observed/tops", "window=5m&limit=1&via=dnstap")
    assert set(document) == {"dnstap"}
    report = document["dnstap"]
    assert (report["window"], report["total"], report["passed"], report["one_in"]) == ("5m", 8, 0, 1)
    assert report["clients"] == [{"client": "10.1.0.0", "address": None, "count": 2, "error": 0, "sampling_error": 0}]
    assert (len(report["addresses"]), len(report["pairs"])) == (1, 1)
    assert read(api, "leaks/observed/tops", "via=log") == {}


def test_how_far_counts_may_be_off_is_said():
    observed, api = make()
    for number in range(3 * SLIDING_CAPACITY):
        observed.add(make_leak("3.0.0.10.in-addr.arpa", client=str(IPv4Address(number))))
    report = read(api, "leaks/observed/tops", "limit=1000")["dnstap"]
    assert report["total"] == 3 * SLIDING_CAPACITY
    assert all(each["count"] - each["error"] <= 1 <= each["count"] for each in report["clients"])
    assert any(each["error"] for each in report["clients"])


def test_each_kind_of_evidence_has_its_place_in_the_tops():
    assert ObservedTops.__struct_fields__ == tuple(via.value for via in Via)


def test_recent_ones_come_the_latest_first_and_as_many_as_wanted():
    leaks = [make_leak(f"{n % 250}.0.0.10.in-addr.arpa", at=NOW + n) for n in range(RECENT + 10)]
    _, api = make(*leaks, make_leak("5.0.168.192.in-addr.arpa", server="8.8.8.8", at=NOW + 1000))
    document = read(api, "leaks/observed/recent")
    assert (document["matching"], len(document["leaks"])) == (RECENT, 50)
    assert document["leaks"][0] == {
        "at": NOW + 1000,
        "via": "dnstap",
        "certainty": "likely",
        "block": "192.168.0.0/16",
        "sink": "as112",
        "shape": "host",
        "name": "5.0.168.192.in-addr.arpa.",
        "type": "PTR",
        "address": "192.168.0.5",
        "client": "10.0.0.1",
        "sender": None,
        "server": "8.8.8.8",
    }
    for query, expected in (
        ("certainty=likely", 1),
        ("block=10.0.0.0/8", RECENT - 1),
        ("block=10.0.0.0%2F8&certainty=likely", 0),
        ("sink=root", 0),
        ("via=dnstap&limit=1", RECENT),
    ):
        assert read(api, "leaks/observed/recent", query)["matching"] == expected


def test_a_hostile_name_comes_out_escaped():
    _, api = make(make_leak(HOSTILE, qtype=65280))
    (leak,) = read(api, "leaks/observed/recent")["leaks"]
    assert leak["name"] == r"<script>\034\092\059\027[2J.10.in-addr.arpa."
    assert leak["type"] == "TYPE65280"
