"""When a dead child is started again."""

from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.server.backoff import LONGEST, RESET, Backoff


def delays(backoff, lives):
    """The delays after children that lived so long, one after the other."""
    found, now = [], 1000.0
    for life in lives:
        died = now + life
        start = backoff.next_start(now, died)
        found.append(round(start - died, 3))
        now = start
    return found


def test_at_once_then_doubling_to_five_seconds():
    assert delays(Backoff(), [0.01] * 9) == [0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5]


def test_who_lived_for_a_minute_begins_anew():
    assert delays(Backoff(), [0, 0, 0, RESET, 0, RESET - 0.1]) == [0, 0.1, 0.2, 0, 0.1, 0.2]


def test_after_many_deaths_it_is_still_five_seconds():
    assert delays(Backoff(), [0] * 2000)[-1] == LONGEST


@given(st.lists(st.floats(0, 120), max_size=60))
def test_never_in_the_past_and_never_longer_than_five_seconds(lives):
    assert all(0 <= delay <= LONGEST for delay in delays(Backoff(), lives))
