"""Waiting for a change, on a clock of the test's."""

from blackhole_guard.server.watch import INTERVAL, await_change


def run(states):
    """Wait with one look for each state; returns how long was slept, and how many states were seen."""
    slept, looks = [], iter(states)
    await_change(lambda: next(looks), states[0], slept.append)
    return sum(slept), len(list(looks))


def test_a_change_counts_when_it_is_over():
    assert run(["a", "a", "b", "b"]) == (2.5 * INTERVAL, 0)


def test_as_long_as_it_changes_it_is_not_over():
    seconds, left = run(["a", "b", "c", "d", "d", "never looked at"])
    assert left == 1
    assert seconds == INTERVAL + 1.5 * INTERVAL


def test_what_changes_back_is_no_change():
    slept, states = [], iter(["a", "b", "a", "a", "b", "b"])
    await_change(lambda: next(states), "a", slept.append)
    assert next(states, None) is None


def test_files_that_changed_before_the_first_look():
    slept = []
    await_change(lambda: "b", "a", slept.append)
    assert slept == [INTERVAL / 2]
