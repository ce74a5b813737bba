"""Octets of a stream become messages."""

from hypothesis import given
from hypothesis import strategies as st
from tcp_clients import frame

from blackhole_guard.server.tcp_connection import Inbox, MalformedError


class TestInbox:
    @given(messages=st.lists(st.binary(min_size=12, max_size=300), max_size=20), pieces=st.data())
    def test_messages_survive_any_division_of_the_stream(self, messages, pieces):
        octets, inbox, got, start = b"".join(map(frame, messages)), Inbox(), [], 0
        while start < len(octets):
            end = start + pieces.draw(st.integers(1, len(octets) - start))
            inbox.feed(octets[start:end])
            while inbox.has_message():
                got.append(inbox.take())
            start = end
        assert got == messages
        assert len(inbox) == 0

    @given(st.binary(max_size=200))
    def test_any_octets_are_messages_or_malformed(self, octets):
        inbox = Inbox()
        inbox.feed(octets)
        taken = 0
        try:
            while inbox.has_message():
                message = inbox.take()
                assert octets[taken : taken + 2 + len(message)] == frame(message)
                taken += 2 + len(message)
        except MalformedError:
            assert int.from_bytes(octets[taken : taken + 2], "big") < 12
        assert len(inbox) == len(octets) - taken
