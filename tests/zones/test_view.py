"""A ZoneSet and the snapshot made of it answer alike."""

import time
from ipaddress import ip_network

import pytest

from blackhole_guard.answering.lookup import find_answer
from blackhole_guard.config.settings import Settings
from blackhole_guard.loading import load
from blackhole_guard.sources.load import load_sources
from blackhole_guard.store.snapshot import open_snapshot
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import format_name, pack_name, suffixes
from blackhole_guard.zones.build import build_zones
from blackhole_guard.zones.view import ZoneView

MAPS = """\
zone: 10.0.0.0/8
ns: [ns1.example.com]
soa: {minimum: 5m}
ptr:
  10.0.0.3: web.example.com
  10.0.0.4: [db.example.com, db2.example.com]
  10.1.2.3: inside.example.com
delegate:
  10.20.0.0/16: {ns.20.10.in-addr.arpa: 10.20.0.10}
  10.3.2.64/26: [ns.tenant.example.com]
---
zone: 10.1.2.0/24
---
zone: 10.20.5.0/24
ptr: {7: below.example.com}
---
zone: 172.16.0.0/12
delegate:
  172.20.0.0/16: [ns.lab.example.com]
---
zone: 192.168.0.0/16
serve: false
---
zone: fd12:3456::/48
ptr: {"fd12:3456::1": six.example.com}
---
zone: 8.8.8.0/24
allow_public: true
"""
ADDRESSES = [
    *("10.0.0.3", "10.0.0.4", "10.0.0.5", "10.1.2.3", "10.1.2.4", "10.20.0.1", "10.20.5.7", "10.20.5.8", "10.3.2.63"),
    *("10.3.2.64", "10.3.2.127", "10.3.2.128", "172.16.0.1", "172.20.0.1", "192.168.0.1", "127.0.0.1", "8.8.8.8"),
    *("9.9.9.9", "255.255.255.255", "fd12:3456::1", "fd12:3456::2", "fd00::1", "::1", "::", "fe80::1", "2001:db8::1"),
]
NAMES = {
    *(each for address in ADDRESSES for each in suffixes(pack_name(ip_network(address)[0].reverse_pointer))),
    *(pack_name(f"x.{ip_network(address)[0].reverse_pointer}") for address in ADDRESSES),
    *map(pack_name, ["home.arpa", "x.home.arpa", "_dns.resolver.arpa", "example.com", "65.64/26.2.3.10.in-addr.arpa"]),
    *map(pack_name, ["64/26.2.3.10.in-addr.arpa", "ns.20.10.in-addr.arpa", "a.b.c.10.in-addr.arpa"]),
}


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    directory = tmp_path_factory.mktemp("view")
    pattern = str(directory / "maps.yaml")
    (directory / "maps.yaml").write_text(MAPS)
    settings = Settings(include=(pattern,))
    zones, problems = build_zones(load_sources(None, settings)[0], settings)
    assert not [problem for problem in problems if problem.severity == "error"]
    (directory / "state").mkdir()
    report = load(None, {"include": [pattern]}, str(directory / "state"), force=False, now=time.time)
    assert report.result == "loaded"
    snapshot = open_snapshot(str(directory / "state" / "snapshot.mdb"))
    yield ZoneView(zones), snapshot
    snapshot.close()


def shown(answer):
    """An answer without serials, which only the store knows."""
    sections = [
        sorted(
            (rrset.owner, int(rrset.rtype), rrset.ttl, () if rrset.rtype == RRType.SOA else rrset.rdatas)
            for rrset in section
        )
        for section in (answer.sections.answer, answer.sections.authority, answer.sections.additional)
    ]
    return (
        answer.outcome,
        answer.authoritative,
        answer.zone and (answer.zone.apex, answer.zone.block),
        answer.cut and answer.cut.owner,
        sections,
    )


@pytest.mark.parametrize("refer", [True, False])
@pytest.mark.parametrize("qtype", [RRType.PTR, RRType.SOA, RRType.NS, RRType.A, RRType.DS, RRType.CNAME, RRType.ANY])
def test_the_answers_are_those_of_the_snapshot(readers, qtype, refer):
    view, snapshot = readers
    outcomes = set()
    for name in NAMES:
        answer = find_answer(view, name, qtype, refer=refer)
        expected = find_answer(snapshot, name, qtype, refer=refer)
        assert shown(answer) == shown(expected), format_name(name)
        outcomes.add(answer.outcome)
    assert len(outcomes) >= 3  # the names reach more than one rule


def test_names_that_exist_because_of_others_are_those_of_the_snapshot(readers):
    view, snapshot = readers
    for name in NAMES:
        if view.find_enclosing(name) is not None:
            assert view.has_descendants(name) == snapshot.has_descendants(name), format_name(name)
