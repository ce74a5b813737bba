"""What is said of an answer: each rule that may decide is named, with its place."""

import pytest

from blackhole_guard.config.load import read_settings
from blackhole_guard.explaining import explain, parse_target
from blackhole_guard.sources.load import load_sources
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.names import format_name, pack_name
from blackhole_guard.zones.build import build_zones

MAPS = """\
zone: 10.0.0.0/8
soa: {minimum: 5m}
ptr:
  10.0.0.3: web.example.com
  10.1.2.3: inside.example.com
  127.0.0.1:
delegate:
  10.20.0.0/16: {ns.20.10.in-addr.arpa: 10.20.0.10, ad.example.com: }
  10.3.2.64/26: [ns.tenant.example.com]
---
zone: 10.1.2.0/24
---
zone: 192.168.0.0/16
serve: false
---
zone: 8.8.8.0/24
allow_public: true
---
zone: 10.9.0.0/16
serve: false
---
zone: service.arpa
serve: false
""".replace("  127.0.0.1:\n", "")


@pytest.fixture
def ask(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "map.yaml").write_text(MAPS)

    def ask(target, **overrides):
        overrides = {"include": ["map.yaml"]} | {name.replace("__", "."): value for name, value in overrides.items()}
        settings, said = read_settings(None, overrides)
        sources, of_maps = load_sources(None, settings)
        zones, of_zones = build_zones(sources, settings)
        assert not [each for each in (*said, *of_maps, *of_zones) if each.severity == "error"]
        return explain(parse_target(target), zones, sources, settings)

    return ask


PTR = [
    # target, outcome, recursive, zone, place, what, why
    (
        "10.0.0.3",
        "answer",
        "answer",
        "10.0.0.0/8",
        "map.yaml:4",
        "a map has names for this address",
        "averted leak of 10.0.0.0/8",
    ),
    (
        "10.1.2.3",
        "answer",
        "answer",
        "10.1.2.0/24",
        "map.yaml:5",
        "a map has names",
        "the longest prefix wins: 10.1.2.0/24 (map.yaml:10) lies in 10.0.0.0/8 (map.yaml:1)",
    ),
    (
        "10.0.0.9",
        "nxdomain",
        "nxdomain",
        "10.0.0.0/8",
        None,
        "NXDOMAIN: no map has a name for this address; resolvers remember it for 5m",
        "AS112",
    ),
    (
        "10.20.1.1",
        "referral",
        "refused",
        "10.0.0.0/8",
        "map.yaml:7",
        "10.20.0.0/16 is delegated to ns.20.10.in-addr.arpa. (10.20.0.10), ad.example.com.: who iterates (RD=0)",
        "averted leak",
    ),
    (
        "10.3.2.65",
        "referral",
        "answer",
        "10.0.0.0/8",
        "map.yaml:8",
        "10.3.2.64/26 is delegated, so a CNAME leads to 65.64/26.2.3.10.in-addr.arpa., which ns.tenant.",
        "averted leak",
    ),
    (
        "127.0.0.1",
        "answer",
        "answer",
        "127.0.0.0/8",
        None,
        "built-in rule: loopback addresses are localhost (RFC 6303)",
        "127.0.0.0/8 is built in: loopback, in IANA's registry of locally-served zones (RFC 6303)",
    ),
    ("::1", "answer", "answer", "::1/128", None, "built-in rule", "::1/128 is built in"),
    ("172.20.0.1", "nxdomain", "nxdomain", "172.20.0.0/16", None, "NXDOMAIN", "averted leak of 172.16.0.0/12"),
    ("3fff::1", "nxdomain", "nxdomain", "3fff::/20", None, "NXDOMAIN", "an extra to IANA's registry (RFC 9637)"),
    (
        "192.168.0.1",
        "refused",
        "refused",
        None,
        "map.yaml:13",
        "REFUSED: this is in no zone of ours",
        "192.168.0.0/16 is switched off by `serve: false` at map.yaml:13",
    ),
    (
        "10.9.0.1",
        "nxdomain",
        "nxdomain",
        "10.0.0.0/8",
        None,
        "NXDOMAIN",
        "10.9.0.0/16 is switched off by `serve: false` at map.yaml:19; the zone around it, 10.0.0.0/8, answers instead",
    ),
    (
        "8.8.8.8",
        "nxdomain",
        "nxdomain",
        "8.8.8.0/24",
        None,
        "NXDOMAIN",
        "not in the ledger of averted leaks: the block is public",
    ),
    (
        "9.9.9.9",
        "refused",
        "refused",
        None,
        None,
        "REFUSED: this is in no zone of ours, so a stub resolver goes on to its next server",
        None,
    ),
]


@pytest.mark.parametrize("row", PTR, ids=[row[0] for row in PTR])
def test_an_address_is_explained(ask, row):
    target, outcome, recursive, zone, place, what, why = row
    found = ask(target)
    assert (found.outcome.value, found.recursive.value) == (outcome, recursive)
    assert found.answered == (outcome != "refused")
    assert (found.zone.label if found.zone else None) == zone
    assert (str(found.place) if found.place else None) == place
    assert found.what.startswith(what)
    assert any(why in sentence for sentence in found.why) if why else found.why == ()
    assert found.qtype == RRType.PTR


NAMES = [
    ("10.in-addr.arpa", "answer", "the apex of a zone: its SOA and NS", None),
    ("255.255.255.255", "nodata", "NODATA: this is the apex of a zone, and no map has a name for its address", None),
    ("0.10.in-addr.arpa", "nodata", "NODATA: there is no record here, but there are names below this one", None),
    ("5.10.in-addr.arpa", "nxdomain", "NXDOMAIN: there is nothing at this name or below it", None),
    ("x.3.0.0.10.in-addr.arpa", "nxdomain", "NXDOMAIN: there is nothing at this name or below it", None),
    ("X.Home.ARPA.", "nxdomain", "NXDOMAIN", "home.arpa is built in: homenet"),
    ("_dns.resolver.arpa", "nodata", "NODATA: a rule for resolver discovery", "RFC 9462"),
    ("a.b._dns.resolver.arpa", "nodata", "NODATA: a rule for resolver discovery", "RFC 9462"),
    ("x.service.arpa", "refused", "REFUSED", "service.arpa is switched off by `serve: false` at map.yaml:22"),
    ("www.example.org", "refused", "REFUSED", None),
    (".", "refused", "REFUSED", None),
    ("10.20.0.0/16", "referral", "10.20.0.0/16 is delegated", None),
    ("ns.20.10.in-addr.arpa", "referral", "10.20.0.0/16 is delegated", None),
]


@pytest.mark.parametrize(("target", "outcome", "what", "why"), NAMES, ids=[row[0] for row in NAMES])
def test_a_name_is_explained(ask, target, outcome, what, why):
    found = ask(target)
    assert (found.outcome.value, found.what.startswith(what)) == (outcome, True), found
    assert why is None or any(why in sentence for sentence in found.why)


def test_all_records_of_an_apex_are_given(ask):
    assert [rrset.rtype for rrset in ask("10.in-addr.arpa").records] == [RRType.SOA, RRType.NS]


def test_an_answer_holds_the_records_that_are_sent(ask):
    (rrset,) = ask("10.0.0.3").records
    assert (format_name(rrset.rdatas[0]), rrset.ttl) == ("web.example.com.", 3600)
    (cname,) = ask("10.3.2.65").records
    assert cname.rtype == RRType.CNAME


def test_who_refers_everybody_is_told_so(ask):
    found = ask("10.20.1.1", server__recursive_clients="refer")
    assert found.recursive.value == "referral"
    assert "everybody gets a referral (`server.recursive_clients: refer`)" in found.what


@pytest.mark.parametrize(
    ("target", "overrides", "why"),
    [
        ("172.16.0.1", {"reserved__serve": "false"}, "172.16.0.0/12 is reserved, but `reserved.serve` is false"),
        ("3fff::1", {"reserved__extras": "false"}, "3fff::/20 is an extra, and `reserved.extras` is false"),
    ],
)
def test_what_the_settings_switch_off_is_told(ask, target, overrides, why):
    found = ask(target, **overrides)
    assert found.outcome.value == "refused" and found.why[0].startswith(why)


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("10.0.0.9", "to name it, write `10.0.0.9: host.example.com` below `ptr` of a map that holds it"),
        ("9.9.9.9", "9.9.9.9 is not reserved; if it is yours to name, a map with `allow_public: true` serves it"),
        ("9.9.9.0/24", "9.9.9.0/24 is not reserved; if it is yours to name"),
        ("10.0.0.3", ""),
        ("192.168.0.1", ""),
        ("www.example.org", ""),
    ],
)
def test_a_hint_where_somebody_may_miss_an_answer(ask, target, hint):
    found = ask(target).hint
    assert found.startswith(hint) and bool(found) == bool(hint)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("10.0.0.3", "3.0.0.10.in-addr.arpa"),
        ("FD00::1", "1." + "0." * 29 + "d.f.ip6.arpa"),
        ("fe80::1%eth0", "1." + "0." * 28 + "8.e.f.ip6.arpa"),  # a scope is no part of the reverse name
        ("64/26.2.1.10.in-addr.arpa", "64/26.2.1.10.in-addr.arpa"),
        ("10.0.0.0/8", "10.in-addr.arpa"),
        ("fd00::/8", "d.f.ip6.arpa"),
        ("Web.Example.COM.", "web.example.com"),
        ("10.0.0.0/12", None),
        ("10.6.84.0/26", None),
        ("0.0.0.0/0", None),
    ],
)
def test_what_can_be_asked_for(text, name):
    assert parse_target(text) == (None if name is None else pack_name(name))


@pytest.mark.parametrize("text", ["", "a..b", "a" * 64, "ü.example"])
def test_what_cannot(text):
    with pytest.raises(WireError):
        parse_target(text)


@pytest.mark.parametrize(
    "text", ["10", "10.0.0", "10.0.0.3/8", "010.0.0.3", " 10.0.0.3", "10.0.0.300", "fd00:1", "::1::2"]
)
def test_an_address_that_is_none_is_not_taken_for_a_name(text):
    with pytest.raises(WireError, match="all octets of an address"):
        parse_target(text)
