"""The control channel: what is sent arrives, the other side's death is seen, nonsense is an error."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.server.channel import Channel, ChannelError, Kind, Message, open_channel

MESSAGES = st.builds(Message, st.sampled_from(Kind), st.integers(0, 2**32 - 1))


@pytest.fixture
def ends():
    first, second = open_channel()
    yield Channel(first), Channel(second)
    first.close()
    second.close()


def test_messages_arrive_in_order(ends):
    here, there = ends
    here.send(Message(Kind.ADOPT, 3))
    here.send(Message(Kind.STOP))
    assert there.receive() == [Message(Kind.ADOPT, 3), Message(Kind.STOP, 0)]
    assert there.receive() == []


def test_both_directions(ends):
    here, there = ends
    there.send(Message(Kind.READY, 7))
    assert here.receive() == [Message(Kind.READY, 7)]


def test_a_closed_end_is_seen_by_reader_and_writer(ends):
    here, there = ends
    here.close()
    with pytest.raises(ChannelError, match="gone"):
        there.receive()
    with pytest.raises(ChannelError, match="cannot send"):
        there.send(Message(Kind.READY))


def test_an_error_of_the_socket_is_the_channels(ends):
    _here, there = ends
    there.send(Message(Kind.READY))
    there.close()
    with pytest.raises(ChannelError, match="cannot receive"):
        there.receive()


def test_who_does_not_read_is_an_error_not_a_wait(ends):
    here, _ = ends
    with pytest.raises(ChannelError, match="cannot send"):
        for _ in range(1_000_000):
            here.send(Message(Kind.ADOPT, 1))


def test_a_frame_cut_by_the_buffer_is_an_error():
    class Short:
        def setblocking(self, blocking):
            assert not blocking

        def send(self, octets):
            return len(octets) - 1

    with pytest.raises(ChannelError, match="does not read"):
        Channel(Short()).send(Message(Kind.STOP))


@given(messages=st.lists(MESSAGES, max_size=200), pieces=st.data())
def test_frames_survive_any_division_of_the_stream(messages, pieces):
    writer, reader = socket.socketpair()
    with writer, reader:
        recorder = socket.socketpair()
        with recorder[0], recorder[1]:
            sender = Channel(recorder[0])
            for message in messages:
                sender.send(message)
            octets = b""
            while len(octets) < 8 * len(messages):
                octets += recorder[1].recv(65536)
        channel, got, start = Channel(reader), [], 0
        while start < len(octets):
            end = start + pieces.draw(st.integers(1, len(octets) - start))
            writer.sendall(octets[start:end])
            while part := channel.receive():
                got += part
            start = end
        assert got == messages


@given(octets=st.binary(min_size=1, max_size=600))
def test_any_octets_are_messages_or_a_channel_error(octets):
    writer, reader = socket.socketpair()
    with writer, reader:
        writer.sendall(octets)
        try:
            messages = Channel(reader).receive()
        except ChannelError:
            assert any(kind not in set(Kind) for kind in octets[::8])
        else:
            assert len(messages) == min(len(octets), 512) // 8
