import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.counts import (
    MOST_ROWS,
    CountsError,
    LeakKey,
    Sampling,
    parse_counts,
    render_counts,
)

ADDRESSES = st.ip_addresses().map(lambda address: address.packed)
KEYS = st.builds(LeakKey, ADDRESSES, st.one_of(st.just(b""), ADDRESSES), st.booleans())
COUNTS = st.dictionaries(KEYS, st.integers(1, 2**40), max_size=30)


@given(COUNTS, st.builds(Sampling, st.integers(0, 2**40), st.integers(1, 2**16)))
def test_what_is_rendered_parses_back(counts, sampling):
    seen, passed = {}, 0
    for message in render_counts(counts, sampling):
        rows, told = parse_counts(message)
        seen.update((LeakKey(*row[:3]), row[3]) for row in rows)
        passed += told.passed
        assert told.one_in == sampling.one_in
    assert seen == counts
    assert passed == sampling.passed


def test_many_counts_are_several_messages_of_bounded_size():
    counts = {LeakKey(number.to_bytes(16), bytes(16), True): 1 << 60 for number in range(2 * MOST_ROWS + 1)}
    messages = list(render_counts(counts, Sampling(7, 2)))
    assert len(messages) == 3
    assert max(map(len, messages)) <= 50_000


def test_without_counts_there_is_no_message():
    assert list(render_counts({}, Sampling(0, 1))) == []


@given(st.binary(max_size=60))
def test_any_octets_are_a_message_or_an_error(octets):
    try:
        rows, sampling = parse_counts(octets)
    except CountsError:
        return
    assert all(weight >= 1 for *_, weight in rows)
    assert sampling.one_in >= 1


@pytest.mark.parametrize(
    "rows",
    [
        [(b"abc", b"", False, 1)],  # no client
        [(b"abcd", b"abc", False, 1)],  # no address
        [(b"abcd", b"", False, 0)],
        [(b"abcd", b"", False, -1)],
        [(b"abcd", b"", False, 1)] * (MOST_ROWS + 1),
    ],
)
def test_counts_that_cannot_be_are_an_error(rows):
    with pytest.raises(CountsError):
        parse_counts(msgspec.msgpack.encode((0, 1, rows)))
