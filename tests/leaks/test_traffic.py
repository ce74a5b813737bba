"""Queries to the sinks and their responses: what is a leak, how long it took, and what is neither."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import frames as made
from blackhole_guard.leaks.evidence import Certainty, Leak, Via
from blackhole_guard.leaks.frames import Frame
from blackhole_guard.leaks.traffic import COPY_WINDOW, MAX_PENDING, MAX_SETTLED, MAX_STREAMS, PATIENCE, Traffic, Wait
from blackhole_guard.reserved.probes import make_probe
from blackhole_guard.reserved.registry import ZONES, Sink
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.wire.codes import Opcode
from blackhole_guard.wire.names import pack_name

CLIENT, SINK = "192.0.2.1", "192.175.48.6"
CLIENT6, SINK6 = "2001:db8::1", "2620:4f:8000::6"
NAME = pack_name("3.0.0.10.in-addr.arpa")


class Watched(Traffic):
    """Traffic that keep what they report."""

    def __init__(self, **options) -> None:
        self.leaks: list[Leak] = []
        self.waits: list[Wait] = []
        super().__init__(Via.CAPTURE, self.leaks.append, self.waits.append, **options)

    def see(self, at: float, packet: bytes) -> None:
        self.receive(Frame(at, made.RAW, packet, len(packet)))


def asked(octets: bytes, *, port: int = 1024, client: str = CLIENT, sink: str = SINK) -> bytes:
    return made.ip(client, sink, made.UDP, made.udp(port, 53, octets))


def told(octets: bytes, *, port: int = 1024, client: str = CLIENT, sink: str = SINK) -> bytes:
    return made.ip(sink, client, made.UDP, made.udp(53, port, octets))


@pytest.mark.parametrize(("client", "sink"), [(CLIENT, SINK), (CLIENT6, SINK6)], ids=["IPv4", "IPv6"])
def test_a_query_is_a_leak_and_its_response_tells_the_round_trip(client, sink):
    seen = Watched()
    query = made.query(NAME, number=7, edns=False)
    seen.see(10.0, asked(query, client=client, sink=sink))
    seen.see(10.25, told(made.response(query), client=client, sink=sink))
    (leak,), (wait,) = seen.leaks, seen.waits
    assert (leak.certainty, leak.block, leak.sink, leak.shape) == (
        Certainty.OBSERVED,
        "10.0.0.0/8",
        Sink.AS112,
        Shape.HOST,
    )
    assert (leak.name, leak.address, leak.client) == (NAME, bytes((10, 0, 0, 3)), None)
    assert wait == Wait(leak, 0.25, 3)


def test_a_resolver_that_mixes_cases_gets_its_response():
    seen = Watched()
    query = made.query(NAME.upper(), edns=False)
    seen.see(1.0, asked(query))
    seen.see(1.1, told(made.response(query.lower())))
    assert seen.leaks[0].name == NAME
    assert seen.counts.responses == 1


@pytest.mark.parametrize(
    "response",
    [
        told(made.response(made.query(NAME, number=8, edns=False))),
        told(made.response(made.query(NAME, number=7, edns=False)), port=1025),
        told(made.response(made.query(NAME, number=7, edns=False)), client="192.0.2.2"),
        told(made.response(made.query(NAME, number=7, edns=False)), sink="192.175.48.42"),
        told(made.response(made.query(pack_name("4.0.0.10.in-addr.arpa"), number=7, edns=False))),
        told(made.response(made.query(NAME, 16, number=7, edns=False))),
    ],
    ids=["ID", "port", "client", "server", "name", "type"],
)
def test_the_response_to_another_query_is_not_its(response):
    seen = Watched()
    seen.see(1.0, asked(made.query(NAME, number=7, edns=False)))
    seen.see(1.1, response)
    assert (seen.waits, seen.counts.unmatched) == ([], 1)


def test_a_response_without_a_question_is_told_by_its_id():
    seen = Watched()
    seen.see(1.0, asked(made.query(NAME, number=7)))
    seen.see(1.1, told(b"\0\x07\x80\x05" + bytes(8)))
    assert seen.waits == [Wait(seen.leaks[0], pytest.approx(0.1), 5)]


def test_no_response_in_time_is_a_wait_without_an_end():
    seen = Watched()
    seen.see(1.0, asked(made.query(NAME, number=7)))
    seen.expire(1.0 + PATIENCE)
    assert seen.waits == []
    seen.expire(1.1 + PATIENCE)
    assert seen.waits == [Wait(seen.leaks[0], None, None)]


def test_what_is_open_at_the_end_is_neither():
    seen = Watched()
    seen.see(1.0, asked(made.query(NAME)))
    seen.finish()
    assert (seen.waits, seen.counts.unfinished) == ([], 1)


def test_the_same_query_on_a_second_interface_is_one():
    seen = Watched()
    for at in (1.0, 1.001, 1.001 + COPY_WINDOW):  # the third is sent again
        seen.see(at, asked(made.query(NAME)))
    assert (len(seen.leaks), seen.counts.copies) == (2, 1)
    assert seen.waits == [Wait(seen.leaks[0], None, None)]


@pytest.mark.parametrize(
    "order",
    [
        ("asked", "asked", "told", "told"),
        ("asked", "told", "asked", "told"),  # interfaces are not read in step
        ("asked", "told", "told", "asked"),
    ],
)
def test_on_a_router_all_is_seen_twice_and_counts_once(order):
    seen = Watched()
    query = made.query(NAME)
    packets = {"asked": asked(query), "told": told(made.response(query))}
    for number, each in enumerate(order):
        seen.see(1.0 + number / 1000, packets[each])
    assert (len(seen.leaks), len(seen.waits)) == (1, 1)
    assert (seen.counts.copies, seen.counts.responses, seen.counts.unmatched) == (2, 1, 0)


def test_an_error_without_a_question_has_its_copy_too():
    seen = Watched()
    seen.see(1.0, asked(made.query(NAME, number=7)))
    for at in (1.1, 1.101):
        seen.see(at, told(b"\0\x07\x80\x05" + bytes(8)))
    assert (seen.counts.copies, seen.counts.unmatched) == (1, 0)


def test_what_comes_later_than_a_copy_can_is_none():
    seen = Watched()
    query = made.query(NAME)
    seen.see(1.0, asked(query))
    seen.see(1.01, told(made.response(query)))
    seen.see(1.0 + COPY_WINDOW, asked(query))  # sent again, as a program that reuses its port and ID does
    seen.see(1.02 + COPY_WINDOW, told(made.response(query)))
    seen.see(2.0, told(made.response(query)))
    assert (len(seen.leaks), seen.counts.responses, seen.counts.copies, seen.counts.unmatched) == (2, 2, 0, 1)


def test_an_answered_query_of_another_name_with_the_same_id_is_no_copy():
    seen = Watched()
    query, other = made.query(NAME, number=7), made.query(pack_name("4.0.0.10.in-addr.arpa"), number=7)
    seen.see(1.0, asked(query))
    seen.see(1.001, told(made.response(query)))
    seen.see(1.002, asked(other))
    seen.see(1.003, told(made.response(query)))
    assert (len(seen.leaks), seen.counts.copies) == (2, 1)


@pytest.mark.parametrize("set_back", [PATIENCE + 1, 3600.0])
def test_a_clock_that_is_set_back_makes_nobody_wait_for_ever(set_back):
    seen = Watched()
    seen.see(10_000.0, asked(made.query(NAME, number=1)))
    seen.see(10_000.0 - set_back, asked(made.query(NAME, number=2)))
    seen.expire(10_000.1 - set_back)
    assert [wait.leak for wait in seen.waits] == seen.leaks[:1]
    seen.expire(10_000.1 - set_back + PATIENCE)
    assert [wait.leak for wait in seen.waits] == seen.leaks


def test_what_is_captured_a_little_out_of_order_is_still_waited_for():
    seen = Watched()
    query = made.query(NAME, number=1)
    seen.see(10.0, asked(query))
    seen.expire(9.5)
    seen.see(10.1, told(made.response(query)))
    assert [wait.seconds for wait in seen.waits] == [pytest.approx(0.1)]


def test_an_update_is_a_leak_and_its_response_may_be_a_header():
    seen = Watched()
    update = made.query(pack_name("10.in-addr.arpa"), 6, number=9, opcode=Opcode.UPDATE, edns=False)
    seen.see(1.0, asked(update, sink="192.175.48.1"))
    seen.see(1.1, told(b"\0\x09\xa8\x05" + bytes(8), sink="192.175.48.1"))
    assert [leak.shape for leak in seen.leaks] == [Shape.UPDATE]
    assert [wait.rcode for wait in seen.waits] == [5]


@pytest.mark.parametrize(
    ("packet", "count"),
    [
        (asked(made.query(pack_name("4.4.8.8.in-addr.arpa"))), "other_names"),
        (asked(made.query(NAME, opcode=Opcode.NOTIFY)), "other_names"),
        (asked(b"no message at all"), "malformed"),
        (asked(made.response(made.query(NAME))), "malformed"),
        (asked(made.query(NAME))[:-30], "cut_short"),
        (told(b"no"), "malformed"),
        (told(made.query(NAME)), "malformed"),
        (told(made.response(made.query(NAME))), "unmatched"),
        (made.ip(CLIENT, SINK, made.UDP, made.udp(1024, 54, made.query(NAME))), "foreign"),
        (made.ip(CLIENT, "192.0.2.53", made.UDP, made.udp(1024, 53, made.query(NAME))), "foreign"),
        (made.ip(CLIENT, SINK, 1, b"\x08\0ping"), "foreign"),
    ],
)
def test_what_is_no_leak_is_counted_by_its_reason(packet, count):
    seen = Watched()
    seen.see(1.0, packet)
    assert (seen.leaks, getattr(seen.counts, count)) == ([], 1)


def test_our_own_probes_are_no_leaks():
    seen = Watched()
    zone = next(zone for zone in ZONES if zone.apex == pack_name("10.in-addr.arpa"))
    seen.see(1.0, asked(made.query(make_probe(zone, random.Random(1).randbytes))))
    assert (seen.leaks, seen.counts.probes) == ([], 1)


def test_a_query_whose_end_the_capture_has_cut_off_is_a_leak_if_its_question_is_there():
    seen = Watched()
    seen.see(1.0, asked(made.query(NAME))[:-5])  # a part of the OPT
    assert len(seen.leaks) == 1


def stream(sequence: int, flags: int, payload: bytes = b"", *, back: bool = False, port: int = 1024) -> bytes:
    if back:
        return made.ip(SINK, CLIENT, made.TCP, made.tcp(53, port, sequence, flags, payload))
    return made.ip(CLIENT, SINK, made.TCP, made.tcp(port, 53, sequence, flags, payload))


def test_a_connection_is_read_across_its_segments():
    seen = Watched()
    query = made.query(NAME, edns=False)
    octets = len(query).to_bytes(2) + query
    response = made.response(query, more=3000)
    answer = len(response).to_bytes(2) + response
    seen.see(1.0, stream(99, made.SYN))
    seen.see(1.1, stream(499, made.SYN | made.ACK, back=True))
    seen.see(1.2, stream(100, made.ACK, octets[:1]))
    seen.see(1.3, stream(101, made.ACK, octets[1:20]))
    seen.see(1.4, stream(120, made.ACK | made.FIN, octets[20:]))
    for start in range(0, len(answer), 1000):
        seen.see(1.5, stream(500 + start, made.ACK, answer[start : start + 1000], back=True))
    assert [leak.at for leak in seen.leaks] == [1.4]
    assert seen.waits == [Wait(seen.leaks[0], pytest.approx(0.1), 3)]


def test_a_connection_whose_beginning_was_not_captured_is_read():
    seen = Watched()
    query = made.query(NAME)
    seen.see(1.0, stream(5000, made.ACK, len(query).to_bytes(2) + query))
    assert len(seen.leaks) == 1


def test_a_reset_ends_what_was_begun():
    seen = Watched()
    query = made.query(NAME)
    octets = len(query).to_bytes(2) + query
    seen.see(1.0, stream(100, made.ACK, octets[:10]))
    seen.see(1.1, stream(110, made.RST))
    seen.see(1.2, stream(110, made.ACK, octets[10:]))
    assert seen.leaks == []


def test_state_is_bounded_whoever_sends():
    seen = Watched()
    for number in range(MAX_PENDING + 100):
        seen.see(1.0, asked(made.query(NAME, number=number & 0xFFFF), port=1 + number % 60000))
    assert len(seen._pending) == MAX_PENDING
    assert seen.counts.forgotten == 100
    assert len(seen.leaks) == MAX_PENDING + 100
    for number in range(MAX_SETTLED + 100):
        query = made.query(NAME, number=number)
        seen.see(2.0, asked(query))
        seen.see(2.0, told(made.response(query)))
    assert len(seen._settled) == MAX_SETTLED
    for number in range(MAX_STREAMS + 100):
        seen.see(1.0, stream(1, made.ACK, b"\0\x40half", port=1 + number))
    assert len(seen._streams) == MAX_STREAMS


packets = st.one_of(
    st.binary(max_size=100),
    st.binary(max_size=60).map(asked),
    st.binary(max_size=60).map(told),
    st.tuples(st.integers(0, 3), st.integers(0, 63), st.binary(max_size=60), st.booleans()).map(
        lambda each: stream(each[0], each[1], each[2], back=each[3])
    ),
    st.sampled_from([made.query(NAME), made.query(NAME, edns=False), made.query(NAME, opcode=5)]).map(asked),
    st.sampled_from([made.query(NAME), made.query(NAME, edns=False)]).map(made.response).map(told),
)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.floats(-1e12, 1e12), packets, st.integers(0, 100)), max_size=20))
def test_whatever_is_captured_is_taken(frames):
    seen = Watched()
    for at, packet, cut in frames:
        seen.see(at, packet[: len(packet) - cut] if cut < 50 else packet)
    seen.finish()
    assert seen.counts.frames == len(frames)
    assert len(seen.waits) + seen.counts.unfinished == len(seen.leaks)
