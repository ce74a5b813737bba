from collections import Counter
from itertools import accumulate
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.sketches import CAPACITY, MAX_KEY, Counted, SketchError, SpaceSaving

KEYS = st.integers(0, 30).map(lambda number: b"%d" % number)
STREAMS = st.lists(st.tuples(KEYS, st.integers(1, 9)), max_size=200)
BATCHES = st.lists(st.dictionaries(KEYS, st.integers(1, 9), max_size=20), max_size=20)
CAPACITIES = st.integers(1, 12)


def weigh(stream):
    exact = Counter()
    for key, weight in stream:
        exact[key] += weight
    return exact


def sketch_of(stream, capacity):
    sketch = SpaceSaving(capacity)
    for key, weight in stream:
        sketch.add(key, weight)
    return sketch


def assert_bounds_hold(sketch, exact):
    counters, floor = sketch.counters(), sketch.floor
    for key, count, error in counters:
        assert count - error <= exact[key] <= count
        assert error <= floor <= count
    for key in exact.keys() - {counter.key for counter in counters}:
        assert exact[key] <= floor
    assert sketch.total == exact.total()
    assert len(counters) <= sketch.capacity
    assert sum(counter.weight for counter in counters) <= sketch.total
    assert floor * sketch.capacity <= sketch.total


@given(STREAMS, CAPACITIES)
def test_each_count_is_within_its_bounds(stream, capacity):
    assert_bounds_hold(sketch_of(stream, capacity), weigh(stream))


@given(BATCHES, CAPACITIES)
def test_each_count_is_within_its_bounds_after_batches(batches, capacity):
    sketch, exact = SpaceSaving(capacity), Counter()
    for batch in batches:
        sketch.add_counts(batch)
        exact.update(batch)
    assert_bounds_hold(sketch, exact)


@given(st.lists(STREAMS, min_size=2, max_size=6), CAPACITIES)
def test_each_count_is_within_its_bounds_after_merges(streams, capacity):
    whole, exact = SpaceSaving(capacity), Counter()
    for stream in streams:
        whole.merge(sketch_of(stream, capacity))
        exact += weigh(stream)
    assert_bounds_hold(whole, exact)


@given(STREAMS, STREAMS, CAPACITIES, st.integers(0, 5))
def test_a_larger_sketch_may_be_merged_into_a_smaller_one(first, second, capacity, more):
    sketch = sketch_of(first, capacity)
    sketch.merge(sketch_of(second, capacity + more))
    assert_bounds_hold(sketch, weigh([*first, *second]))


@given(STREAMS, STREAMS, CAPACITIES)
def test_a_sketch_goes_on_after_it_was_restored(before, after, capacity):
    made = sketch_of(before, capacity)
    sketch = SpaceSaving.restore(made.counters(), floor=made.floor, total=made.total, capacity=capacity)
    assert sketch.counters() == made.counters()
    for key, weight in after:
        sketch.add(key, weight)
    assert_bounds_hold(sketch, weigh([*before, *after]))


@given(
    st.lists(st.tuples(st.binary(max_size=2), st.integers(-2, 9), st.integers(-2, 9)), max_size=6),
    st.integers(-1, 9),
    st.integers(-1, 30),
    CAPACITIES,
)
def test_what_is_restored_is_a_sketch_or_an_error(counters, floor, total, capacity):
    try:
        sketch = SpaceSaving.restore(map(Counted._make, counters), floor=floor, total=total, capacity=capacity)
    except SketchError:
        return
    assert len(sketch.counters()) <= capacity
    assert all(0 <= error <= sketch.floor <= count for _, count, error in sketch.counters())


@pytest.mark.parametrize(
    ("counters", "floor", "total"),
    [
        ([Counted(b"a", 2, 0), Counted(b"a", 1, 0)], 0, 3),  # one key twice
        ([Counted(b"a", 2, 3)], 3, 2),  # an error above the count
        ([Counted(b"a", 2, 1)], 0, 2),  # an error above the floor
        ([Counted(b"a", 2, 0)], 0, 1),  # more than there was
        ([Counted(b"a", 0, 0)], 0, 0),
        ([Counted(b"a", 3, 0)], 1, 3),  # a floor, but a counter is free
        ([Counted(b"a" * 256, 1, 0)], 0, 1),
        ([Counted(b"%d" % number, 1, 0) for number in range(3)], 0, 3),  # a counter too many
    ],
)
def test_counters_that_no_sketch_can_have_are_not_restored(counters, floor, total):
    with pytest.raises(SketchError):
        SpaceSaving.restore(counters, floor=floor, total=total, capacity=2)


def test_a_sketch_with_room_for_all_keys_is_exact():
    sketch = sketch_of([(b"a", 1), (b"b", 5), (b"a", 2)], 2)
    assert sketch.top(2) == [Counted(b"b", 5, 0), Counted(b"a", 3, 0)]
    assert sketch.top(1) == [Counted(b"b", 5, 0)]
    assert sketch.floor == 0


def test_a_long_key_is_cut():
    sketch = sketch_of([(b"a" * 300, 1), (b"a" * 256, 1)], 2)
    assert sketch.top(2) == [Counted(b"a" * MAX_KEY, 2, 0)]


@pytest.mark.untraced
def test_the_top_of_a_stream_of_many_keys_is_found():
    """A tenth of what `python -m bench tops` measures: a million keys in all, Zipf with s = 1.0 over 100,000."""
    chance, keys = Random(1), [number.to_bytes(4) for number in range(100_000)]
    weights = list(accumulate(1 / (rank + 1) for rank in range(len(keys))))
    chance.shuffle(keys)
    stream = chance.choices(keys, cum_weights=weights, k=1_000_000)
    sketch, exact = SpaceSaving(CAPACITY), Counter(stream)
    for start in range(0, len(stream), 1000):
        sketch.add_counts(Counter(stream[start : start + 1000]))
    limit = exact.most_common(100)[-1][1]
    assert sum(exact[counter.key] >= limit for counter in sketch.top(100)) >= 95
    assert_bounds_hold(sketch, exact)


def test_keys_that_never_repeat_leave_as_many_counters_as_there_may_be():
    sketch = SpaceSaving(64)
    for number in range(10_000):
        sketch.add(number.to_bytes(4))
    assert len(sketch.counters()) == 64
    assert len(sketch._fresh) == 0
    assert sketch.floor <= 10_000 / 64
