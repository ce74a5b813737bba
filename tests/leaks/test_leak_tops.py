"""The tops of observed leaks: few are exact, many stay within their bounds, and over windows they slide."""

from collections import Counter
from ipaddress import ip_address
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.clients import NETWORKS
from blackhole_guard.leaks.leak_tops import SLIDING_CAPACITY, SlidingTops, WholeTops
from blackhole_guard.leaks.sketches import CAPACITY
from blackhole_guard.leaks.tops import Tops, TopsError
from blackhole_guard.leaks.windows import WINDOWS, Window

NOW = 1_700_000_000.0
KEYS = st.integers(0, 3).map(lambda number: bytes((10, 0, 0, number)))


def packed(text):
    return ip_address(text).packed


def shown(tops):
    return [(top.client, top.address, top.count) for top in tops]


def fill(tops):
    for client, address, number in (
        ("10.0.0.1", "192.168.1.1", 3),
        ("10.0.0.1", "192.168.1.2", 1),
        ("fd00::9", "192.168.1.2", 2),
    ):
        for _ in range(number):
            tops.add(packed(client), packed(address))
    tops.add(packed("10.0.0.2"), b"")  # an update of a zone, say
    tops.add(b"", packed("192.168.1.2"))  # nobody knows for whom


CLIENTS = [("10.0.0.1", None, 4), ("fd00::9", None, 2), (None, None, 1), ("10.0.0.2", None, 1)]
ADDRESSES = [(None, "192.168.1.2", 4), (None, "192.168.1.1", 3)]
PAIRS = [("10.0.0.1", "192.168.1.1", 3), ("fd00::9", "192.168.1.2", 2), ("10.0.0.1", "192.168.1.2", 1)]


def test_few_are_exact():
    tops = WholeTops()
    fill(tops)
    lists = tops.show(10)
    assert list(map(shown, lists)) == [CLIENTS, ADDRESSES, PAIRS]
    assert {top.error for each in lists for top in each} == {0}
    assert shown(tops.show(1).clients) == CLIENTS[:1]


@given(st.lists(st.tuples(KEYS, KEYS)))
def test_whatever_comes_none_is_lost(leaks):
    tops = WholeTops()
    for client, address in leaks:
        tops.add(client, address)
    found = {(top.client, top.address): top.count for top in tops.show(100).pairs}
    assert found == Counter((str(ip_address(client)), str(ip_address(address))) for client, address in leaks)


def test_of_many_each_count_is_within_its_own_error():
    chance, tops, true = Random(7), WholeTops(), Counter()
    for _ in range(30_000):
        client = int(chance.paretovariate(0.35)).to_bytes(16)[-4:]
        true[str(ip_address(client))] += 1
        tops.add(client, client)
    assert len(true) > CAPACITY
    for top in tops.show(1000).clients:
        assert top.count - top.error <= true[top.client] <= top.count
    assert {top.client for top in tops.show(20).clients} == {client for client, _ in true.most_common(20)}


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


class TestSliding:
    def test_all_windows_show_what_was_just_counted(self, clock):
        tops = SlidingTops(clock)
        fill(tops)
        for window in WINDOWS:
            report = tops.report(window, NOW)
            assert [shown(each) for each in (report.clients, report.addresses, report.pairs)] == [
                *(CLIENTS, ADDRESSES, PAIRS)
            ]
            assert (report.total, report.passed) == (8, 0)

    @pytest.mark.parametrize("later", [NOW + 0.9, NOW + 400])
    def test_what_is_counted_belongs_to_its_time(self, clock, later):
        tops = SlidingTops(clock)
        fill(tops)
        clock.now = later
        tops.add(packed("10.0.0.7"), b"")
        assert tops.report(Window.MINUTES, NOW + 400).total == (1 if later > NOW + 1 else 0)
        assert tops.report(Window.HOUR, NOW + 400).total == 9

    def test_a_clock_that_is_set_back_loses_what_was_of_the_future(self, clock):
        tops = SlidingTops(clock)
        fill(tops)
        clock.now = NOW - 5000
        tops.add(packed("10.0.0.7"), b"")
        assert tops.report(Window.DAY, NOW - 5000).total == 1

    def test_clients_are_folded_by_setting_and_who_is_not_known_stays_so(self, clock):
        tops = SlidingTops(clock, NETWORKS)
        fill(tops)
        assert shown(tops.report(Window.DAY, NOW).clients) == [
            *(("10.0.0.0/24", None, 5), ("fd00::/56", None, 2), (None, None, 1))
        ]

    def test_they_go_on_after_a_restart(self, clock):
        before, after = SlidingTops(clock), SlidingTops(clock)
        fill(before)
        after.load(before.dump(), NOW + 1)
        assert after.report(Window.DAY, NOW + 1) == before.report(Window.DAY, NOW + 1)
        assert Tops.restore(before.dump(), NOW + 1).report(Window.DAY, NOW + 1).total == 8

    def test_those_of_averted_leaks_are_others(self, clock):
        with pytest.raises(TopsError, match="another size"):
            SlidingTops(clock).load(Tops().dump(), NOW)

    def test_a_flood_of_fresh_clients_takes_no_more_than_its_capacity(self, clock):
        tops = SlidingTops(clock)
        for number in range(4 * SLIDING_CAPACITY):
            tops.add(number.to_bytes(4), b"")
        report = tops.report(Window.DAY, NOW, CAPACITY)
        assert report.total == 4 * SLIDING_CAPACITY
        assert len(report.clients) <= SLIDING_CAPACITY
