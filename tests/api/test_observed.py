"""Observed leaks as documents."""

from known_facts import NOW, make_api, make_known, make_leak, make_observed, read

from blackhole_guard.leaks.evidence import Via
from blackhole_guard.leaks.observed import RECENT
from blackhole_guard.reserved.registry import Sink

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
    assert document["responses"] == [{"sink": "as112", "via": "dnstap", "count": 1, "seconds": 0.25}]
    blocks = {each["block"]: each["observed"] for each in read(api, "blocks")["blocks"]}
    assert blocks["10.0.0.0/8"] == {"dnstap": {"observed": 2}}
    assert blocks["192.168.0.0/16"] == {"dnstap": {"likely": 1}}
    assert blocks["127.0.0.0/8"] == {}
    sinks = {each["sink"]: each["observed"] for each in read(api, "sinks")["sinks"]}
    assert (sinks["as112"], sinks["root"]) == ({"dnstap": {"observed": 2, "likely": 1}}, {})


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
