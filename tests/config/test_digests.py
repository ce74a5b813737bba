"""The same for the same, in one piece and in parts."""

from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.config.digests import SIZE, begin_digest, digest


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_a_digest_in_parts_is_that_of_the_whole(parts):
    whole = begin_digest(b"")
    for part in parts:
        whole.update(part)
    assert whole.digest() == digest(b"".join(parts))


def test_what_differs_has_another_digest():
    data = bytes(range(256)) * 40
    others = {digest(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]) for at in range(len(data))}
    assert len(others | {digest(data), digest(data[1:]), digest(b"")}) == len(data) + 3
    assert len(digest(b"")) == SIZE
