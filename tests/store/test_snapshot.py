import os
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_content import NaiveZones, make_content, rows_of

from blackhole_guard.reserved.addresses import apexes, reverse_name
from blackhole_guard.store.errors import StoreError
from blackhole_guard.store.keys import make_key
from blackhole_guard.store.shelves import APART, find_offset, read_entry
from blackhole_guard.store.snapshot import open_snapshot
from blackhole_guard.store.snapshot_file import Meta, write_snapshot_file
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import format_name, pack_name, suffixes
from blackhole_guard.wire.values import make_ptrs


@pytest.fixture
def snapshot_of(tmp_path):
    opened = []

    def run(content, generation=7):
        path = str(tmp_path / f"{len(opened)}.mdb")
        meta = Meta(generation, b"digest", b"attached", content.zones, content.cuts, content.hosts)
        write_snapshot_file(path, meta, content)
        opened.append(open_snapshot(path))
        return opened[-1]

    yield run
    for each in opened:
        each.close()


CONTENT = make_content(
    zones=("10.0.0.0/8", "10.1.2.0/24", "10.20.5.0/24", "172.20.0.0/16", "::1/128", "fd00::/8"),
    ptrs={
        "10.0.0.3": "14400 web.example.com",
        "10.0.0.4": "db.example.com db-primary.example.com",
        "10.1.2.1": "a.example.com",
        "::1": "localhost",
        "fd00::5": "six.example.com",
    },
    cuts={
        "20.10.in-addr.arpa": "10.in-addr.arpa",
        "64/26.3.1.10.in-addr.arpa": "10.in-addr.arpa",
        "20.172.in-addr.arpa": "20.172.in-addr.arpa",
        "9.0.0.10.in-addr.arpa": "10.in-addr.arpa",
        "7.20.10.in-addr.arpa": "10.in-addr.arpa",
    },
    aliases={"10.1.3.65": "65.64/26.3.1.10.in-addr.arpa"},
    hosts=("ns.sub.10.in-addr.arpa",),
)


@pytest.fixture
def zones(snapshot_of):
    return snapshot_of(CONTENT)


def test_a_snapshot_says_what_was_put_in(zones):
    assert (zones.generation, zones.digest, zones.attachment) == (7, b"digest", b"attached")
    assert (zones.zones, zones.cuts, zones.hosts) == (CONTENT.zones, CONTENT.cuts, CONTENT.hosts)
    assert list(zones.iter_rows()) == list(rows_of(CONTENT))
    facts = zones.facts
    assert [(each.apex, each.label, each.serial, each.records, each.mapped) for each in facts[:2]] == [
        ("10.in-addr.arpa.", "10.0.0.0/8", 0, 3, True),
        ("2.1.10.in-addr.arpa.", "10.1.2.0/24", 0, 1, True),
    ]


@pytest.mark.parametrize(
    ("name", "apex", "cut"),
    [
        ("10.in-addr.arpa", "10.in-addr.arpa", None),
        ("3.0.0.10.in-addr.arpa", "10.in-addr.arpa", None),
        ("x.3.0.0.10.in-addr.arpa", "10.in-addr.arpa", None),
        ("2.1.10.in-addr.arpa", "2.1.10.in-addr.arpa", None),
        ("1.2.1.10.in-addr.arpa", "2.1.10.in-addr.arpa", None),
        ("20.10.in-addr.arpa", "10.in-addr.arpa", "20.10.in-addr.arpa"),
        ("1.1.20.10.in-addr.arpa", "10.in-addr.arpa", "20.10.in-addr.arpa"),
        ("1.7.20.10.in-addr.arpa", "10.in-addr.arpa", "20.10.in-addr.arpa"),  # the first cut on the way down decides
        ("1.5.20.10.in-addr.arpa", "5.20.10.in-addr.arpa", None),  # ours below a delegation
        ("65.64/26.3.1.10.in-addr.arpa", "10.in-addr.arpa", "64/26.3.1.10.in-addr.arpa"),
        ("9.0.0.10.in-addr.arpa", "10.in-addr.arpa", "9.0.0.10.in-addr.arpa"),
        ("1.20.172.in-addr.arpa", "20.172.in-addr.arpa", "20.172.in-addr.arpa"),  # all of a zone is delegated
        ("1.21.172.in-addr.arpa", None, None),
        ("in-addr.arpa", None, None),
        (".", None, None),
        ("example.com", None, None),
    ],
)
def test_the_deepest_zone_and_the_delegation_in_it(zones, name, apex, cut):
    found = zones.find_enclosing(pack_name(name))
    assert (found and found[0].apex) == (apex and pack_name(apex))
    assert (found and found[1] and found[1].owner) == (cut and pack_name(cut))


@pytest.mark.parametrize(
    ("apex", "parent"),
    [
        ("2.1.10.in-addr.arpa", "10.in-addr.arpa"),
        ("10.in-addr.arpa", None),
        ("5.20.10.in-addr.arpa", None),  # the delegation stands above it
        (".", None),
    ],
)
def test_the_zone_above(zones, apex, parent):
    found = zones.find_parent(pack_name(apex))
    assert (found and found.apex) == (parent and pack_name(parent))


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("10.in-addr.arpa", {RRType.SOA, RRType.NS}),
        ("3.0.0.10.in-addr.arpa", {RRType.PTR}),
        ("1." + "0." * 31 + "ip6.arpa", {RRType.SOA, RRType.NS, RRType.PTR}),  # an apex that is a whole address
        ("65.3.1.10.in-addr.arpa", {RRType.CNAME}),
        ("20.10.in-addr.arpa", {RRType.NS}),
        ("ns.sub.10.in-addr.arpa", {RRType.A}),
        ("sub.10.in-addr.arpa", set()),
        ("4.0.0.11.in-addr.arpa", set()),
        ("03.0.0.10.in-addr.arpa", set()),
        ("0.0.10.in-addr.arpa", set()),
    ],
)
def test_rrsets_of_a_name(zones, name, types):
    rrsets = zones.find_rrsets(pack_name(name))
    assert {each.rtype for each in rrsets} == types
    assert len(rrsets) == len(types)
    assert all(each.owner == pack_name(name) for each in rrsets)


def test_the_records_are_those_that_were_written(zones):
    (web,) = zones.find_rrsets(pack_name("3.0.0.10.in-addr.arpa"))
    assert (web.ttl, web.rdatas) == (14400, (pack_name("web.example.com"),))
    (db,) = zones.find_rrsets(pack_name("4.0.0.10.in-addr.arpa"))
    assert db.rdatas == (pack_name("db.example.com"), pack_name("db-primary.example.com"))


@pytest.mark.parametrize(
    ("name", "exists"),
    [
        ("0.0.10.in-addr.arpa", True),
        ("0.10.in-addr.arpa", True),
        ("10.in-addr.arpa", True),
        ("1.10.in-addr.arpa", True),
        ("2.10.in-addr.arpa", False),
        ("3.1.10.in-addr.arpa", True),
        ("3.0.0.10.in-addr.arpa", False),
        ("sub.10.in-addr.arpa", True),
        ("0." * 29 + "d.f.ip6.arpa", True),
        ("1." + "0." * 28 + "d.f.ip6.arpa", False),  # on the shelf of fd00::5
        ("d.f.ip6.arpa", True),
        ("0.d.f.ip6.arpa", True),
        ("1.d.f.ip6.arpa", False),
        ("0.0.0.d.f.ip6.arpa", True),
        ("172.in-addr.arpa", True),  # a zone of ours is below
        ("20.172.in-addr.arpa", False),
        ("00.10.in-addr.arpa", False),
        ("example.com", False),
    ],
)
def test_whether_anything_is_below_a_name(zones, name, exists):
    assert zones.has_descendants(pack_name(name)) is exists


def test_names_that_are_no_addresses_below_a_name(zones):
    for name in ("172.in-addr.arpa", "sub.10.in-addr.arpa", "0.0.10.in-addr.arpa", "10.in-addr.arpa"):
        assert zones.has_names_below(pack_name(name))
    for name in ("2.1.10.in-addr.arpa", "3.0.0.10.in-addr.arpa", "20.172.in-addr.arpa", "0.d.f.ip6.arpa"):
        assert not zones.has_names_below(pack_name(name))


def test_a_shelf_shows_the_records_of_its_addresses(zones):
    shelf = zones.find_shelf(make_key(bytes((10, 0, 0, 3)))[:-1])
    assert isinstance(shelf, memoryview)
    assert shelf.readonly
    name = pack_name("web.example.com")
    assert read_entry(shelf, find_offset(shelf, 3)) == make_ptrs(name, 14400)
    assert find_offset(shelf, 4) == APART  # two PTRs
    assert find_offset(shelf, 5) == 0
    assert zones.find_shelf(make_key(bytes((10, 0, 1, 3)))[:-1]) is None


def test_the_soa_of_a_negative_answer_lives_as_long_as_its_minimum(zones):
    zone, _ = zones.find_enclosing(pack_name("10.in-addr.arpa"))
    assert (zone.soa.ttl, zone.negative_soa.ttl) == (60, 30)
    assert zone.soa.rdatas == zone.negative_soa.rdatas
    assert zone.block == "10.0.0.0/8"


def test_what_is_replaced_stays_readable_for_who_has_it_open(tmp_path):
    path = str(tmp_path / "s.mdb")
    for generation in (1, 2):
        content = make_content(ptrs={"10.0.0.1": f"g{generation}.example.com"})
        meta = Meta(generation, b"", b"", content.zones, (), ())
        write_snapshot_file(path + ".new", meta, content)
        os.rename(path + ".new", path)
        if generation == 1:
            first = open_snapshot(path)
    second = open_snapshot(path)
    name = pack_name("1.0.0.10.in-addr.arpa")
    for each in (first, second):
        assert each.find_rrsets(name)[0].rdatas == (pack_name(f"g{each.generation}.example.com"),)
        each.close()


def test_no_file_is_an_error_that_says_so(tmp_path):
    with pytest.raises(StoreError, match="there is no snapshot"):
        open_snapshot(str(tmp_path / "none.mdb"))


# --- random zones against dictionaries

near = st.integers(0, 2**11 - 1)
v4 = near.map(lambda offset: str(ip_address(0x0A000000 + offset)))
v6 = near.map(lambda offset: str(ip_address(0xFD << 120 | offset << 117))) | near.map(
    lambda offset: str(ip_address(0xFD << 120 | offset))
)
names = st.sampled_from(["a.example.com", "a.example.com b.example.com", "5 c.example.com"])
zone_blocks = st.sets(
    st.sampled_from(["10.0.0.0/16", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.7/32", "fd00::/12", "fd00::/16"])
)
owners = st.sampled_from(
    [
        "4.0.10.in-addr.arpa",
        "0/26.5.0.10.in-addr.arpa",
        "2.0.10.in-addr.arpa",
        "1.0.d.f.ip6.arpa",
        "9.6.0.10.in-addr.arpa",
    ]
)
shelves = st.sampled_from(
    [
        {},
        {f"10.0.4.{octet}": "a.example.com" for octet in range(256)},
        {f"fd00::1:{octet:x}": "a.example.com" for octet in (0x1, 0xF)},
        {f"fd00::1:{octet:x}": "a.example.com" for octet in (0x1, 0xFE)},  # so far apart that there are no offsets
    ]
)
asked = (v4 | v6 | st.sampled_from(["fd00::1:2", "fd00::1:f0", "fd00::1:80"])).map(
    lambda address: reverse_name(ip_address(address).packed)
) | owners.map(pack_name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    zone_blocks,
    st.builds(dict.__or__, shelves, st.dictionaries(v4 | v6, names, max_size=12)),
    st.sets(owners, max_size=3),
    st.lists(asked, max_size=20),
)
def test_look_ups_equal_those_in_dictionaries(snapshot_of, blocks, ptrs, cut_owners, questions):
    # A cut at the apex of a zone is that zone's own, and has its test above.
    cut_owners -= {format_name(apexes(ip_network(block))[0]).removesuffix(".") for block in blocks}
    cuts = {owner: "10.in-addr.arpa" if owner.endswith("in-addr.arpa") else "d.f.ip6.arpa" for owner in cut_owners}
    content = make_content(("10.0.0.0/8", "fd00::/8", *blocks), ptrs, cuts, hosts=("ns.x.10.in-addr.arpa",))
    snapshot, naive = snapshot_of(content), NaiveZones(content)
    for name in {each for question in questions for each in suffixes(question)} | {b"\1x" + each for each in questions}:
        found = snapshot.find_enclosing(name)
        assert (found and (found[0].apex, found[1])) == naive.find_enclosing(name)
        described = {
            (each.rtype, each.ttl if each.rtype == RRType.SOA else each.rdatas) for each in snapshot.find_rrsets(name)
        }
        assert described == naive.rrsets.get(name, set())
        assert snapshot.has_descendants(name) == (name in naive.ancestors)
        assert snapshot.has_names_below(name) == (name in naive.ancestors_of_few)
