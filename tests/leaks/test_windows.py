from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.windows import KINDS, MAX_CLOSED, WINDOWS, Window, Windows

NOON = 1_700_000_000 // 86400 * 86400 + 43200.0
LENGTHS = {window: kind.seconds * kind.panes for window, kind in KINDS.items()}


class Times:
    """A content that knows when each thing was added."""

    def __init__(self, times=()):
        self.times = Counter(times)

    def merge(self, other):
        self.times += other.times

    def pack(self):
        return " ".join(map(str, self.times.elements())).encode()

    @classmethod
    def unpack(cls, octets):
        return cls(map(float, octets.split()))


def make_windows(times=()):
    windows = Windows(Times, Times.unpack)
    for when in times:
        windows.current(when).times[when] += 1
    return windows


def shown(windows, window, now):
    return sorted(windows.merged(window, now).times.elements())


def test_the_windows_are_five_minutes_an_hour_and_a_day():
    assert list(LENGTHS.items()) == [("5m", 300), ("1h", 3600), ("1d", 86400)]
    assert MAX_CLOSED == 49


@given(
    st.lists(st.floats(0, 200_000).map(lambda after: NOON + after), max_size=40).map(sorted),
    st.floats(0, 10_000),
)
def test_a_window_shows_its_length_and_up_to_a_pane_more(times, later):
    now = (times[-1] if times else NOON) + later
    windows = make_windows(times)
    for window, length in LENGTHS.items():
        since = windows.since(window, now)
        assert now - length - KINDS[window].seconds < since <= now - length
        assert shown(windows, window, now) == [when for when in times if when >= since]


@given(st.lists(st.floats(0, 200_000).map(lambda after: NOON + after), max_size=20))
def test_a_clock_that_is_set_loses_nothing_of_now_and_grows_without_no_bound(times):
    windows = make_windows(times)
    for when in times[-1:]:
        assert when in shown(windows, Window.MINUTES, when)
    assert len(list(windows.panes())) <= MAX_CLOSED + len(WINDOWS)


@given(st.lists(st.floats(0, 200_000).map(lambda after: NOON + after), max_size=20))
def test_however_a_clock_is_set_a_window_shows_nothing_older_and_nothing_of_the_future(times):
    windows = make_windows(times)
    for when in times[-1:]:
        for window, kind in KINDS.items():
            for each in shown(windows, window, when):
                assert windows.since(window, when) <= each < when + kind.seconds


def test_a_clock_that_ran_ahead_leaves_no_window_longer_than_it_is():
    days = [NOON + 86400 * number for number in range(9)]
    windows = make_windows([NOON + 3_000 * 86400, *days])
    assert shown(windows, Window.DAY, days[-1]) == days[-2:]
    assert shown(windows, Window.MINUTES, days[-1]) == days[-1:]


def test_a_clock_that_is_set_back_by_a_second_costs_what_was_counted_in_that_second():
    windows = make_windows([NOON - 40, NOON - 10, NOON + 0.5])
    assert shown(windows, Window.MINUTES, NOON - 0.5) == [NOON - 40, NOON - 10]
    assert shown(windows, Window.DAY, NOON - 0.5) == [NOON - 40, NOON - 10]


@given(st.lists(st.floats(0, 100_000).map(lambda after: NOON + after), max_size=20).map(sorted), st.floats(0, 9_000))
def test_windows_are_the_same_after_a_restart(times, later):
    before = make_windows(times)
    after = make_windows()
    now = (times[-1] if times else NOON) + later
    after.restore(list(before.panes()), now)
    for window in WINDOWS:
        assert shown(after, window, now) == shown(before, window, now)


def test_what_is_of_the_future_is_not_restored():
    before = make_windows([NOON, NOON + 40])
    after = make_windows()
    after.restore(list(before.panes()), NOON - 100_000)
    assert shown(after, Window.MINUTES, NOON - 100_000) == []


def test_a_window_slides_by_one_pane():
    windows = make_windows([NOON, NOON + 30])
    assert shown(windows, Window.MINUTES, NOON + 329) == [NOON, NOON + 30]
    assert shown(windows, Window.MINUTES, NOON + 330) == [NOON + 30]
    assert shown(windows, Window.MINUTES, NOON + 360) == []
    assert shown(windows, Window.HOUR, NOON + 360) == [NOON, NOON + 30]


@pytest.mark.parametrize("window", WINDOWS)
def test_a_full_window_has_its_panes_and_the_open_ones(window):
    kind = KINDS[window]
    windows = make_windows(NOON + number * kind.seconds for number in range(3 * kind.panes))
    closed = [pane for each, is_closed, pane in windows.panes() if each is window and is_closed]
    assert len(closed) == kind.panes


def test_what_is_counted_between_two_steps_of_a_merge_is_not_in_it_and_hurts_nothing():
    windows = make_windows(NOON + 30 * pane for pane in range(10))
    now = NOON + 30 * 9
    steps = windows.merge(Window.MINUTES, now)
    merged = next(steps)
    windows.current(now + 300).times[now + 300] += 1  # closes what was open, and pushes out the oldest
    for step in steps:
        assert step is merged
    assert sorted(merged.times.elements()) == [NOON + 30 * pane for pane in range(10)]
