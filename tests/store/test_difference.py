import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_content import make_content, rows_of

from blackhole_guard.store import difference
from blackhole_guard.store.difference import compare
from blackhole_guard.store.keys import owner_of
from blackhole_guard.store.snapshot import open_snapshot
from blackhole_guard.store.snapshot_file import Meta, write_snapshot_file
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import format_name, pack_name
from blackhole_guard.wire.values import read_value

TEN, SUB = pack_name("10.in-addr.arpa"), pack_name("1.10.in-addr.arpa")
BEFORE = {"10.0.0.1": "a.example.com", "10.1.0.1": "b.example.com", "10.1.0.2": "c.example.com d.example.com"}


@pytest.fixture
def difference_of(tmp_path):
    def run(old, new):
        path = str(tmp_path / "s.mdb")
        write_snapshot_file(path, Meta(1, b"", b"", old.zones, old.cuts, old.hosts), old)
        snapshot = open_snapshot(path)
        try:
            return compare(snapshot, new)
        finally:
            snapshot.close()

    return run


def show(rows):
    return [format_name(owner_of(key)) for key, _ in rows]


def test_equal_content_has_no_difference(difference_of):
    found = difference_of(make_content(ptrs=BEFORE), make_content(ptrs=BEFORE))
    assert (found.changes, found.lost, found.rows) == (0, 0, 0)
    assert not found.zones[TEN].changed


@pytest.mark.parametrize(
    ("after", "removed", "added", "lost"),
    [
        ({"10.0.0.1": None}, ["1.0.0.10.in-addr.arpa."], [], 1),
        ({"10.1.0.2": None}, ["2.0.1.10.in-addr.arpa."], [], 2),
        ({"10.1.0.2": "c.example.com"}, ["2.0.1.10.in-addr.arpa."], ["2.0.1.10.in-addr.arpa."], 1),
        ({"10.0.0.1": "z.example.com"}, ["1.0.0.10.in-addr.arpa."], ["1.0.0.10.in-addr.arpa."], 0),  # a new name
        ({"10.0.0.1": "9 a.example.com"}, ["1.0.0.10.in-addr.arpa."], ["1.0.0.10.in-addr.arpa."], 0),  # a new TTL
        ({"10.0.0.0": "n.example.com"}, [], ["0.0.0.10.in-addr.arpa."], 0),
        ({"10.255.255.255": "n.example.com"}, [], ["255.255.255.10.in-addr.arpa."], 0),
    ],
)
def test_addresses_that_differ(difference_of, after, removed, added, lost):
    ptrs = {address: names for address, names in (BEFORE | after).items() if names}
    found = difference_of(make_content(ptrs=BEFORE), make_content(ptrs=ptrs))
    change = found.zones[TEN]
    assert (show(change.removed), show(change.added)) == (removed, added)
    assert (found.rows, found.lost, change.rows, change.changed) == (1, lost, 1, True)
    assert (change.rows_added, change.rows_removed, change.rows_changed) == (
        int(not removed),
        int(not added),
        int(bool(removed and added)),
    )


def test_a_new_zone_takes_its_addresses_from_the_one_around_it(difference_of):
    old, new = make_content(ptrs=BEFORE), make_content(("10.0.0.0/8", "10.1.0.0/16"), ptrs=BEFORE)
    found = difference_of(old, new)
    assert found.new_zones == (SUB,)
    assert show(found.zones[TEN].removed) == ["1.0.1.10.in-addr.arpa.", "2.0.1.10.in-addr.arpa."]
    assert (found.rows, found.lost) == (0, 0)  # no answer differs
    back = difference_of(new, old)
    assert back.gone_zones == (SUB,)
    assert show(back.zones[TEN].added) == ["1.0.1.10.in-addr.arpa.", "2.0.1.10.in-addr.arpa."]


def test_an_address_that_moves_between_zones_that_stay(difference_of):
    zones = ("10.0.0.0/8", "10.1.0.0/16")
    found = difference_of(make_content((*zones, "10.1.0.0/24"), ptrs=BEFORE), make_content(zones, ptrs=BEFORE))
    assert show(found.zones[SUB].added) == ["1.0.1.10.in-addr.arpa.", "2.0.1.10.in-addr.arpa."]
    assert not found.zones[TEN].changed


@pytest.mark.parametrize(
    ("old", "new", "soa", "sets"),
    [
        ({}, {"ns": {"10.0.0.0/8": "n2.example.com"}}, True, 2),
        ({}, {"cuts": {"20.10.in-addr.arpa": "10.in-addr.arpa"}}, False, 1),
        ({"cuts": {"20.10.in-addr.arpa": "10.in-addr.arpa"}}, {}, False, 1),
        ({}, {"hosts": ("ns.10.in-addr.arpa",)}, False, 1),
        ({"serials": {"10.0.0.0/8": 5}}, {"serials": {"10.0.0.0/8": 6}}, False, 0),  # a serial is no content
    ],
)
def test_apexes_delegations_and_hosts_that_differ(difference_of, old, new, soa, sets):
    found = difference_of(make_content(ptrs=BEFORE, **old), make_content(ptrs=BEFORE, **new))
    change = found.zones[TEN]
    assert (change.soa, len(change.removed_sets) + len(change.added_sets)) == (soa, sets)
    assert change.changed is (soa or sets > 0)


def test_a_large_change_is_counted_and_not_listed(difference_of, monkeypatch):
    monkeypatch.setattr(difference, "MOST_LISTED", 200)
    ptrs = {f"10.0.0.{octet}": "a.example.com" for octet in range(100)}
    found = difference_of(make_content(), make_content(ptrs=ptrs))
    change = found.zones[TEN]
    assert (change.whole, change.rows_added, found.rows) == (False, 100, 100)
    assert len(change.added) < 10


addresses = st.integers(0, 2**10 - 1).map(lambda n: f"10.{n >> 8}.{n >> 6 & 3}.{n & 63}") | st.sampled_from(
    ["fd00::1", "fd00::2", "fd00::12"]
)
contents = st.tuples(
    # The last two begin and end on a shelf.
    st.sets(
        st.sampled_from(
            ["10.0.0.0/16", "10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16", "10.1.2.3/32", "10.1.2.63/32", "fd00::/124"]
        )
    ),
    st.dictionaries(
        addresses, st.sampled_from(["a.example.com", "b.example.com", "a.example.com b.example.com"]), max_size=15
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(contents, contents)
def test_a_zone_and_its_difference_make_the_new_zone(difference_of, before, after):
    old, new = (make_content(("10.0.0.0/8", "fd00::/8", *zones), ptrs) for zones, ptrs in (before, after))
    found = difference_of(old, new)
    old_rows, new_rows = rows_by_zone(old), rows_by_zone(new)
    for apex, change in found.zones.items():
        assert set(change.removed) <= old_rows[apex]
        assert (old_rows[apex] - set(change.removed)) | set(change.added) == new_rows[apex]
        assert change.changed is (old_rows[apex] != new_rows[apex])
    all_old, all_new = dict(rows_of(old)), dict(rows_of(new))
    assert found.rows == sum(all_old.get(key) != all_new.get(key) for key in {*all_old, *all_new})
    lost = sum(max(0, ptrs_of(value) - ptrs_of(all_new.get(key))) for key, value in all_old.items())
    assert found.lost == lost


def test_a_shelf_that_stays_may_hold_a_zone_that_comes(difference_of):
    ptrs = {f"10.0.0.{octet}": "a.example.com" for octet in range(256)}
    old, new = make_content(ptrs=ptrs), make_content(("10.0.0.0/8", "10.0.0.7/32"), ptrs)
    found = difference_of(old, new)
    assert (found.rows, found.lost) == (0, 0)
    assert show(found.zones[TEN].removed) == ["7.0.0.10.in-addr.arpa."]
    assert found.new_zones == (pack_name("7.0.0.10.in-addr.arpa"),)


def rows_by_zone(content):
    found = {zone.apex: set() for zone in content.zones}
    for key, value in rows_of(content):
        for zone in content.zones:
            if any(first <= key <= last for first, last in zone.pieces):
                found[zone.apex].add((key, value))
    return found


def ptrs_of(value):
    rrset = value and read_value(b"\0", value)
    return len(rrset.rdatas) if rrset and rrset.rtype == RRType.PTR else 0
