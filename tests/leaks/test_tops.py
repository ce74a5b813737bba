import random
import tracemalloc
from collections import Counter
from ipaddress import ip_address

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.clients import ADDRESSES, NETWORKS
from blackhole_guard.leaks.counts import Sampling
from blackhole_guard.leaks.leak_tops import SLIDING_CAPACITY
from blackhole_guard.leaks.sketches import CAPACITY
from blackhole_guard.leaks.tops import Tops, TopsError, TopsPane, is_pair, pair_key, sampling_error, split_pair
from blackhole_guard.leaks.windows import KINDS, WINDOWS, Window

NOW = 1_700_000_000.0
ALL = Sampling(0, 1)
MEMORY = 20 << 20  # octets; as docs/tops.md says


def packed(text):
    return ip_address(text).packed


def row(client, address=None, *, unmapped=True, weight=1):
    return packed(client), packed(address) if address else b"", unmapped and address is not None, weight


def shown(tops):
    return [(top.client, top.address, top.count) for top in tops]


@pytest.fixture
def tops():
    made = Tops()
    rows = [
        row("10.0.0.1", "192.168.1.1", weight=3),
        row("10.0.0.1", "192.168.1.2"),
        row("10.0.0.2", "192.168.1.2", unmapped=False, weight=5),
        row("fd00::9", weight=2),
    ]
    made.add(rows, ALL, NOW)
    return made


class TestReports:
    def test_clients_are_counted_by_all_that_they_ask(self, tops):
        report = tops.report(Window.MINUTES, NOW)
        assert shown(report.clients) == [("10.0.0.2", None, 5), ("10.0.0.1", None, 4), ("fd00::9", None, 2)]
        assert report.total == 11

    def test_addresses_are_those_without_a_name(self, tops):
        report = tops.report(Window.MINUTES, NOW)
        assert shown(report.addresses) == [(None, "192.168.1.1", 3), (None, "192.168.1.2", 1)]

    def test_pairs_are_who_asked_for_which_address(self, tops):
        report = tops.report(Window.MINUTES, NOW)
        assert shown(report.pairs) == [
            ("10.0.0.2", "192.168.1.2", 5),
            ("10.0.0.1", "192.168.1.1", 3),
            ("10.0.0.1", "192.168.1.2", 1),
        ]

    def test_few_are_exact(self, tops):
        report = tops.report(Window.DAY, NOW)
        assert (report.passed, report.one_in) == (0, 1)
        assert {(top.error, top.sampling_error) for top in report.clients} == {(0, 0)}

    def test_no_more_are_shown_than_wanted(self, tops):
        assert len(tops.report(Window.MINUTES, NOW, most=1).clients) == 1
        many = Tops()
        many.add([row(str(ip_address(number))) for number in range(1, CAPACITY)], ALL, NOW)
        assert len(many.report(Window.MINUTES, NOW, most=CAPACITY).clients) == 1000

    def test_clients_are_folded_to_their_networks(self):
        folded = Tops(NETWORKS)
        folded.add([row("10.0.0.1", "10.0.0.9"), row("10.0.0.2"), row("fd00:0:0:17::1")], ALL, NOW)
        report = folded.report(Window.MINUTES, NOW)
        assert shown(report.clients) == [("10.0.0.0/24", None, 2), ("fd00::/56", None, 1)]
        assert shown(report.pairs) == [("10.0.0.0/24", "10.0.0.9", 1)]

    def test_a_window_leaves_out_what_is_older(self, tops):
        later = NOW + 400
        tops.add([row("10.0.0.3")], ALL, later)
        assert shown(tops.report(Window.MINUTES, later).clients) == [("10.0.0.3", None, 1)]
        assert tops.report(Window.HOUR, later).total == 12
        report = tops.report(Window.DAY, later)
        assert report.since <= later - 86400
        assert report.until == later

    def test_it_is_json(self, tops):
        report = msgspec.json.decode(msgspec.json.encode(tops.report(Window.HOUR, NOW)))
        assert report["window"] == "1h"
        assert report["clients"][0] == {
            "client": "10.0.0.2",
            "address": None,
            "count": 5,
            "error": 0,
            "sampling_error": 0,
        }


class TestSampling:
    def test_the_error_is_stated_and_no_more_than_what_was_not_looked_at(self):
        tops = Tops()
        tops.add([row("10.0.0.1", weight=6400)], Sampling(6400, 64), NOW)
        tops.add([row("10.0.0.2", weight=3)], ALL, NOW)
        report = tops.report(Window.MINUTES, NOW)
        assert (report.passed, report.one_in) == (6400, 64)
        assert [top.sampling_error for top in report.clients] == [
            sampling_error(6400, Sampling(6400, 64)),
            sampling_error(3, Sampling(6400, 64)),
        ]
        assert 0 < report.clients[1].sampling_error < report.clients[0].sampling_error < 6400

    def test_nothing_sampled_is_no_error(self):
        assert sampling_error(10**9, ALL) == 0

    def test_no_more_is_wrong_than_was_sampled(self):
        assert sampling_error(10**9, Sampling(7, 64)) == 7

    @pytest.mark.untraced
    @pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
    def test_it_holds_with_at_least_the_confidence_that_is_stated(self, share):
        """A key has a share of 64,000 messages; of each 64 in a row one is looked at. Chance is seeded."""
        chance, wrong = random.Random(1), 0
        for _ in range(400):
            messages = [chance.random() < share for _ in range(64_000)]
            seen = 64 * sum(chance.choice(messages[start : start + 64]) for start in range(0, len(messages), 64))
            wrong += abs(seen - sum(messages)) > sampling_error(seen, Sampling(64_000, 64))
        assert wrong <= 400 * 0.05


class TestState:
    def test_it_goes_on_where_it_stopped(self, tops):
        after = Tops()
        after.load(tops.dump(), NOW)
        for window in WINDOWS:
            assert after.report(window, NOW + 1) == tops.report(window, NOW + 1)

    def test_it_goes_on_after_all_kinds_of_panes_have_closed(self):
        tops, chance = Tops(), random.Random(2)
        when = NOW
        for _ in range(300):
            when += chance.expovariate(1 / 200)
            rows = [row(f"10.0.0.{chance.randrange(9)}", f"10.1.1.{chance.randrange(9)}") for _ in range(3)]
            tops.add(rows, Sampling(1, 2), when)
        after = Tops()
        after.load(tops.dump(), when)
        for window in WINDOWS:
            assert after.report(window, when) == tops.report(window, when)

    def test_the_past_is_left_out(self, tops):
        after = Tops()
        after.load(tops.dump(), NOW + 2 * 86400)
        assert after.report(Window.DAY, NOW + 2 * 86400).total == 0

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            (lambda state: state[:-1], "damaged"),
            (lambda state: b"", "damaged"),
            (lambda state: b"\xff" * 100, "damaged"),
            (lambda state: state.replace(b"\xa7version\x01", b"\xa7version\x02"), "version 2"),
            (lambda state: bytes((65 << 20,)) if False else b"\0" * ((64 << 20) + 1), "too long"),
        ],
    )
    def test_what_cannot_be_gone_on_with_is_an_error_and_changes_nothing(self, tops, change, why):
        after = Tops()
        after.add([row("10.0.0.7")], ALL, NOW)
        with pytest.raises(TopsError, match=why):
            after.load(change(tops.dump()), NOW)
        assert after.report(Window.DAY, NOW).total == 1

    def test_another_fold_begins_anew(self, tops):
        with pytest.raises(TopsError, match=r"telemetry\.tops\.clients"):
            Tops(NETWORKS).load(tops.dump(), NOW)

    @given(st.data())
    def test_a_damaged_state_is_an_error_or_still_tops(self, data):
        tops = Tops()
        tops.add([row("10.0.0.1", "10.0.0.2"), row("fd00::1", "fd00::2", weight=9)], Sampling(9, 9), NOW)
        state = bytearray(tops.dump())
        for _ in range(data.draw(st.integers(1, 4))):
            state[data.draw(st.integers(0, len(state) - 1))] = data.draw(st.integers(0, 255))
        after = Tops()
        try:
            after.load(bytes(state), NOW)
        except TopsError:
            return
        after.add([row("10.0.0.3")], ALL, NOW + 40)
        for window in WINDOWS:
            after.report(window, NOW + 40)

    @given(st.binary(max_size=100))
    def test_a_damaged_pane_is_an_error(self, octets):
        with pytest.raises(TopsError):
            TopsPane.unpack(octets)


@given(st.ip_addresses(), st.ip_addresses())
def test_a_pair_is_a_client_and_an_address(client, address):
    key = pair_key(client.packed, address.packed)
    assert is_pair(key)
    assert split_pair(key) == (client.packed, address.packed)


@pytest.mark.parametrize("key", [b"", b"\x04abcd", b"\x05abcdefgh", b"\x03abcdefg", b"\xff"])
def test_other_octets_are_no_pair(key):
    assert not is_pair(key)


@pytest.mark.untraced
@pytest.mark.parametrize(("capacity", "most"), [(CAPACITY, MEMORY), (SLIDING_CAPACITY, MEMORY // 2)])
def test_memory_and_state_have_their_bound_whatever_is_asked(capacity, most):
    """Every pane of all windows is full of IPv6 addresses that never repeat."""
    chance = random.Random(3)

    def fill(when):
        rows = [(chance.randbytes(16), chance.randbytes(16), True, 1) for _ in range(capacity)]
        tops.add(rows, ALL, when)

    tops = Tops(capacity=capacity)
    start = NOW // 86400 * 86400
    tracemalloc.start()
    try:
        for hour in range(26):
            fill(start + hour * 3600)
        for minutes in range(0, 60, 5):
            fill(start + 26 * 3600 + minutes * 60)
        for number in range(12):
            fill(start + 27 * 3600 + number * 30)
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    panes = list(tops._windows.panes())
    assert len(panes) >= sum(kind.panes for kind in KINDS.values())
    assert used <= most
    assert len(tops.dump()) <= most
    assert len(tops.report(Window.DAY, start + 27 * 3600 + 330).clients) == 100
    assert Counter(window for window, _, _ in panes)[Window.DAY] >= 24
    assert ADDRESSES.ipv4 == 32
