"""The receiving end of Frame Streams: a row for each thing that a producer may do, or must not."""

import struct

import pytest
from dnstap_frames import ACCEPT, DNSTAP, FINISH, READY, START, STOP, control, data
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.frame_streams import MAX_FRAME, Refused, Stream, StreamError

OPEN = control(READY, DNSTAP) + control(START, DNSTAP)


def test_a_bidirectional_producer_is_answered_at_each_step():
    stream = Stream()
    assert stream.receive(control(READY, b"protobuf:other", DNSTAP)) == []
    assert (stream.take_replies(), stream.is_open) == (control(ACCEPT, DNSTAP), False)
    assert stream.receive(control(START, DNSTAP) + data(b"one", b"two")) == [b"one", b"two"]
    assert (stream.take_replies(), stream.is_open, stream.is_finished) == (b"", True, False)
    assert stream.receive(data(b"three") + control(STOP) + data(b"behind the end")) == [b"three"]
    assert (stream.take_replies(), stream.is_finished) == (control(FINISH), True)
    assert stream.take_replies() == b""


def test_a_unidirectional_producer_begins_with_start_and_gets_nothing():
    stream = Stream()
    assert stream.receive(control(START, DNSTAP) + data(b"one") + control(STOP)) == [b"one"]
    assert (stream.take_replies(), stream.is_finished) == (b"", True)


@pytest.mark.parametrize("ready", [control(READY), control(READY, DNSTAP), b""])
def test_who_names_no_content_type_takes_ours_as_with_the_fstrm_library(ready):
    stream = Stream()
    assert stream.receive(ready + control(START) + data(b"one")) == [b"one"]
    assert stream.take_replies() == (control(ACCEPT, DNSTAP) if ready else b"")


@pytest.mark.parametrize("bad", [struct.pack("!I", MAX_FRAME + 1), control(READY, DNSTAP)])
def test_frames_before_what_is_wrong_are_handed_over_and_then_it_is_told(bad):
    stream = Stream()
    assert stream.receive(OPEN + data(b"one", b"two") + bad) == [b"one", b"two"]
    for octets in (b"", data(b"three")):
        with pytest.raises(StreamError):
            stream.receive(octets)


def test_control_frames_of_the_future_are_stepped_over():
    stream = Stream()
    assert stream.receive(OPEN + control(77, b"x") + data(b"one")) == [b"one"]


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (control(READY, b"protobuf:other"), Refused.CONTENT_TYPE),
        (control(START, b"protobuf:dnstap.Dnstap2"), Refused.CONTENT_TYPE),
        (control(READY) + control(START, b"protobuf:other"), Refused.CONTENT_TYPE),
        (control(READY, DNSTAP) + control(READY, DNSTAP), Refused.HANDSHAKE),
        (control(READY, DNSTAP) + data(b"one"), Refused.HANDSHAKE),
        (data(b"one"), Refused.HANDSHAKE),
        (control(STOP), Refused.HANDSHAKE),
        (control(ACCEPT, DNSTAP), Refused.HANDSHAKE),
        (control(77), Refused.HANDSHAKE),
        (OPEN + control(START, DNSTAP), Refused.HANDSHAKE),
        (OPEN + control(FINISH), Refused.HANDSHAKE),
        (control(READY, bytes(257)), Refused.HANDSHAKE),
        (control(READY, DNSTAP)[:-1] + b"", None),
        (struct.pack("!IIIIII", 0, 16, READY, 1, 9, 0), Refused.HANDSHAKE),  # a field that runs over its frame
        (struct.pack("!IIIIIB", 0, 13, READY, 2, 1, 0), Refused.HANDSHAKE),  # no content type
        (struct.pack("!IIIB", 0, 5, READY, 0), Refused.HANDSHAKE),  # half a field
        (struct.pack("!II", 0, 3), Refused.TOO_LONG),
        (struct.pack("!II", 0, 513), Refused.TOO_LONG),
        (struct.pack("!II", 0, 0xFFFFFFFF), Refused.TOO_LONG),
        (b"GET / HTTP/1.1\r\n\r\n", Refused.HANDSHAKE),
        (OPEN + b"\xff\xff\xff\xff", Refused.TOO_LONG),
        (OPEN + struct.pack("!I", MAX_FRAME + 1), Refused.TOO_LONG),
        (OPEN + struct.pack("!I", MAX_FRAME), None),
    ],
)
def test_what_is_no_stream_of_dnstap_is_refused_at_once(octets, why):
    stream = Stream()
    if why is None:
        assert stream.receive(octets) == []
        assert stream.is_inside_frame
        return
    with pytest.raises(StreamError) as caught:
        stream.receive(octets)
    assert caught.value.why is why


def test_a_frame_of_the_greatest_length_comes_through():
    stream = Stream()
    stream.receive(OPEN)
    assert stream.receive(data(bytes(MAX_FRAME))) == [bytes(MAX_FRAME)]
    assert not stream.is_inside_frame


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20), st.lists(st.integers(1, 400), min_size=1))
def test_where_octets_are_cut_makes_no_difference(frames, sizes):
    octets = OPEN + data(*frames) + control(STOP)
    stream, got, replies, position, turn = Stream(), [], b"", 0, 0
    while position < len(octets):
        size = sizes[turn % len(sizes)]
        got += stream.receive(octets[position : position + size])
        replies += stream.take_replies()
        position, turn = position + size, turn + 1
    assert got == frames
    assert stream.is_finished
    assert replies == control(ACCEPT, DNSTAP) + control(FINISH)


@given(st.lists(st.binary(max_size=600), max_size=8), st.booleans())
def test_any_octets_are_frames_or_refused(pieces, is_open):
    stream = Stream()
    try:
        if is_open:
            stream.receive(OPEN)
        for piece in pieces:
            for each in stream.receive(piece):
                assert 0 < len(each) <= MAX_FRAME
    except StreamError as error:
        assert error.why in Refused
