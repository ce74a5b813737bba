"""Messages out of TCP segments: whole, in pieces, twice, out of order, with holes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.streams import _MAX_AHEAD, _MAX_SEGMENTS_AHEAD, KEPT, Message, Stream


def sent(*messages: bytes) -> bytes:
    return b"".join(len(message).to_bytes(2) + message for message in messages)


def receive(stream: Stream, *segments: tuple[int, bytes]) -> list[Message]:
    return [message for sequence, payload in segments for message in stream.receive(sequence, payload)]


messages_of_some_size = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


@given(messages_of_some_size, st.integers(0, 2**32 - 1), st.lists(st.integers(1, 30), max_size=40), st.randoms())
def test_messages_come_out_as_they_went_in_however_segments_come(messages, first, sizes, random):
    octets, segments, position = sent(*messages), [], 0
    for size in [*sizes, 1000]:
        if position < len(octets):
            segments.append(((first + position) % 2**32, octets[position : position + size]))
        position += size
    for number in range(len(segments) - 1):  # neighbours change places, some come twice
        if random.random() < 0.3:
            segments[number], segments[number + 1] = segments[number + 1], segments[number]
    segments += [segments[random.randrange(len(segments))]] if segments else []
    got = receive(Stream(first), *segments)
    assert got == [Message(message, 0) for message in messages]


@given(messages_of_some_size, st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), max_size=12), st.randoms())
def test_resends_may_begin_and_end_wherever_they_like(messages, resends, random):
    octets = sent(*messages)
    segments = [(start, octets[start : start + 20]) for start in range(0, len(octets), 20)]
    segments += [(start, octets[start : start + size]) for start, size in resends if start < len(octets)]
    order = sorted(segments, key=lambda segment: segment[0] + random.randrange(60))
    stream = Stream(0)
    assert receive(stream, *order) == [Message(message, 0) for message in messages]
    assert not stream._ahead


def test_a_resend_that_ends_inside_what_came_ahead_strands_nothing():
    messages = [bytes((65 + number,)) * 40 for number in range(30)]
    octets = sent(*messages)
    segments = [(0, octets[:42]), (84, octets[84:126]), (42, octets[42:100])]
    segments += [(start, octets[start : start + 42]) for start in range(126, len(octets), 42)]
    assert receive(Stream(0), *segments) == [Message(message, 0) for message in messages]


def test_of_a_long_message_the_beginning_is_kept():
    long = bytes(range(256)) * 20
    got = receive(Stream(0), (0, sent(long, b"next")))
    assert got == [Message(long[:KEPT], len(long) - KEPT), Message(b"next", 0)]


def test_a_segment_of_which_the_capture_has_a_part_ends_a_message_that_is_not_whole():
    stream = Stream(0)
    octets = sent(b"question")
    assert list(stream.receive(0, octets[:6], len(octets) - 6)) == [Message(b"ques", 4)]
    assert list(stream.receive(len(octets), sent(b"next"))) == [Message(b"next", 0)]


def test_what_follows_a_hole_in_a_message_is_not_taken_for_its_middle():
    stream = Stream(0)
    octets = sent(b"abcdefghij")
    assert list(stream.receive(0, octets[:4], 3)) == []
    assert list(stream.receive(7, octets[7:])) == [Message(b"ab", 8)]


def test_a_segment_that_was_not_captured_is_given_up_when_too_much_has_come_behind_it():
    stream = Stream(0)
    messages = [b"message%02d" % number for number in range(_MAX_SEGMENTS_AHEAD + 1)]
    behind = [(100 + 11 * number, sent(message)) for number, message in enumerate(messages)]
    assert receive(stream, *behind[:-1]) == []
    assert receive(stream, behind[-1]) == [Message(message, 0) for message in messages]


@pytest.mark.parametrize("length", [0, 1])
def test_messages_of_nearly_nothing_do_no_harm(length):
    got = receive(Stream(0), (0, sent(bytes(length), b"next")))
    assert got[-1] == Message(b"next", 0)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=300), st.integers(0, 70000)), max_size=60))
def test_any_segments_are_messages_or_nothing_and_state_stays_small(segments):
    stream = Stream(0)
    for sequence, payload, missing in segments:
        for message in stream.receive(sequence, payload, missing):
            assert len(message.octets) <= KEPT and message.missing >= 0
        assert len(stream._ahead) <= _MAX_SEGMENTS_AHEAD
        assert sum(map(len, stream._ahead.values())) <= _MAX_AHEAD
        assert len(stream._message) <= KEPT
