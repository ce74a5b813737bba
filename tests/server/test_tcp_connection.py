"""Octets of a stream become messages, and responses octets."""

from doubles import EchoResponder, response_to
from hypothesis import given
from hypothesis import strategies as st
from tcp_clients import frame, query

from blackhole_guard.server.tcp_connection import answer_messages, is_cut

SOURCE = b"\x7f\0\0\1"
messages = st.binary(min_size=12, max_size=300).map(lambda octets: b"\0\0\0" + octets[3:])  # QR=0


def answer(octets, most=1_000):
    responder = EchoResponder()
    responses, end, count = answer_messages(octets, most, SOURCE, responder.respond)
    return b"".join(responses), end, count, [each for each, _, _ in responder.seen]


class TestAnswerMessages:
    @given(st.lists(messages, max_size=20), st.data())
    def test_messages_survive_any_division_of_the_stream(self, sent, pieces):
        octets, rest, got, answered, start = b"".join(map(frame, sent)), b"", [], b"", 0
        while start < len(octets):
            size = pieces.draw(st.integers(1, len(octets) - start))
            rest += octets[start : start + size]
            responses, end, count, seen = answer(rest)
            assert count == len(seen)
            got += seen
            answered += responses
            rest = rest[end:]
            assert is_cut(rest)
            start += size
        assert got == sent
        assert answered == b"".join(frame(response_to(each)) for each in sent)
        assert rest == b""

    @given(st.binary(max_size=200))
    def test_any_octets_are_messages_or_cut_or_malformed(self, octets):
        _, end, _, seen = answer(octets)
        assert b"".join(map(frame, seen)) == octets[:end]
        assert is_cut(octets[end:]) or int.from_bytes(octets[end : end + 2], "big") < 12

    @given(st.lists(messages, max_size=20), st.integers(1, 20))
    def test_no_more_are_answered_than_wanted(self, sent, most):
        octets = b"".join(map(frame, sent))
        _, end, count, seen = answer(octets, most)
        assert seen == sent[:most]
        assert count == len(seen)
        assert octets[end:] == b"".join(map(frame, sent[most:]))

    def test_responses_of_one_turn_are_64_kib_and_one_more_at_most(self):
        responses, _, count, _ = answer(b"".join(frame(query(number, b"LARGE")) for number in range(10)))
        assert count == 2
        assert len(responses) == 2 * 60_002

    def test_what_gets_no_response_is_counted(self):
        responses, end, count, _ = answer(frame(response_to(query(1))) + frame(query(2)))
        assert responses == frame(response_to(query(2)))
        assert count == 2
        assert end == 2 * len(frame(query(1)))
