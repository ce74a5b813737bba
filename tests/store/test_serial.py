import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.store.serial import Serial

numbers = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("one", "other", "newer"),
    [
        (1, 0, True),
        (0, 1, False),
        (5, 5, False),
        (0, 2**32 - 1, True),  # once around
        (2**31 - 1, 0, True),
        (2**31, 0, False),  # RFC 1982 section 3.2: no order
        (0, 2**31, False),
        (2**31 + 1, 0, False),
        (100, 4294967290, True),
    ],
)
def test_order_is_that_of_rfc_1982(one, other, newer):
    assert Serial(one).is_newer_than(Serial(other)) is newer


@pytest.mark.parametrize(
    ("before", "now", "after"),
    [
        (1, 1_700_000_000.9, 1_700_000_000),
        (1_700_000_000, 1_700_000_000.0, 1_700_000_001),  # twice in a second
        (1_700_000_005, 1_700_000_000.0, 1_700_000_006),  # the clock was set back
        (2009012501, 1_700_000_000.0, 2009012502),
        (4_000_000_000, 1_700_000_000.0, 1_700_000_000),  # on the circle the time is ahead
        (2**32 - 1, 0.0, 0),
        (1, 2.0**32 + 5, 5),  # in the year 2106
    ],
)
def test_the_next_one_is_the_time_or_the_next_number(before, now, after):
    assert Serial(before).next(now) == Serial(after)


@given(numbers, st.floats(0, 2**33))
def test_the_next_one_is_always_newer(before, now):
    assert Serial(before).next(now).is_newer_than(Serial(before))
