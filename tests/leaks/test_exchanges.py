"""Many questions at once: what is sent when, whose reply counts, and when it is over. The clock is the test's."""

import itertools

import dns.flags
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replies import respond

from blackhole_guard.leaks.exchanges import Exchanges, Limits, Question, Task
from blackhole_guard.leaks.verdicts import Answered, Outcome, Silence
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import pack_name

LIMITS = Limits(in_flight=3, patience=(1.0, 2.0), late=3.0, total=9.0)


class Asker:
    """Tasks that ask, and what they got."""

    def __init__(self, tasks: int, questions: int = 1) -> None:
        self.got: list[Outcome] = []
        self.tasks = [self.ask(number, questions) for number in range(tasks)]

    def ask(self, number: int, questions: int) -> Task:
        for each in range(questions):
            outcome = yield Question(pack_name(f"{each}.{number}.example"), RRType.PTR)
            self.got.append(outcome)


def counter():
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def start(asker: Asker, limits: Limits = LIMITS) -> Exchanges:
    return Exchanges(asker.tasks, counter(), limits, 0.0)


def test_no_more_is_asked_at_once_than_allowed():
    asker = Asker(5)
    exchanges = start(asker)
    sent = exchanges.due(0.0)
    assert len(sent) == 3
    exchanges.receive(respond(sent[0].octets), 0.1, over_tcp=False)
    assert len(exchanges.due(0.1)) == 1


def test_a_task_goes_on_with_its_answer():
    asker = Asker(1, questions=2)
    exchanges = start(asker)
    names = []
    for now in (0.5, 1.0):
        (sent,) = exchanges.due(now - 0.25)
        names.append(str(dns.message.from_wire(sent.octets).question[0].name))
        exchanges.receive(respond(sent.octets), now, over_tcp=False)
    assert names == ["0.0.example.", "1.0.example."]
    assert [outcome.seconds for outcome in asker.got] == [0.25, 0.25]
    assert (exchanges.deadline(), exchanges.asked, exchanges.heard) == (None, 2, True)


def test_a_question_is_repeated_and_then_given_in():
    asker = Asker(2)
    exchanges = start(asker)
    first, second = exchanges.due(0.0)
    exchanges.receive(respond(second.octets), 0.5, over_tcp=False)
    assert exchanges.deadline() == 1.0
    assert exchanges.due(0.9) == []
    assert exchanges.due(1.0) == [first]
    assert exchanges.deadline() == 3.0
    assert exchanges.due(3.0) == [first]  # once more: others are answered
    assert exchanges.deadline() == 6.0
    assert exchanges.due(6.0) == []
    assert asker.got[1:] == [Silence("no answer")]
    assert exchanges.deadline() is None


def test_who_never_answers_is_not_asked_the_rest():
    asker = Asker(20, questions=2)
    exchanges = start(asker)
    for now in (0.0, 1.0, 3.0):
        exchanges.due(now)
    assert exchanges.deadline() is None
    assert (exchanges.asked, exchanges.heard) == (3, False)
    assert asker.got == [Silence("no answer")] * 40


def test_all_is_over_when_the_time_is_up():
    asker = Asker(1, questions=100)
    exchanges = start(asker, Limits(total=2.0))
    now = 0.0
    while exchanges.deadline() is not None:
        for sent in exchanges.due(now):
            exchanges.receive(respond(sent.octets), now, over_tcp=False)
        now += 0.25
    assert len(asker.got) == 100
    assert asker.got[-1] == Silence("no answer before the time was up")
    assert exchanges.asked == 8


@pytest.mark.parametrize(
    "spoil",
    [
        lambda reply: b"",
        lambda reply: reply[:11],
        lambda reply: bytes([reply[0] ^ 1]) + reply[1:],  # another ID
        lambda reply: reply[:2] + bytes([reply[2] & 0x7F]) + reply[3:],  # a query
        lambda reply: reply[:13] + b"9" + reply[14:],  # another name
        lambda reply: reply[:-1],
    ],
)
def test_what_is_no_reply_to_a_question_is_passed_over(spoil):
    asker = Asker(1)
    exchanges = start(asker)
    (sent,) = exchanges.due(0.0)
    reply = respond(sent.octets)
    exchanges.receive(spoil(reply), 0.1, over_tcp=False)
    assert (asker.got, exchanges.heard) == ([], False)
    exchanges.receive(reply, 0.2, over_tcp=False)
    assert isinstance(asker.got[0], Answered)


def test_a_reply_in_another_case_counts():
    asker = Asker(1)
    exchanges = start(asker)
    (sent,) = exchanges.due(0.0)
    exchanges.receive(respond(sent.octets).replace(b"example", b"EXAMPLE"), 0.1, over_tcp=False)
    assert isinstance(asker.got[0], Answered)


@pytest.mark.parametrize(("rcode", "counts"), [("REFUSED", True), ("FORMERR", True), ("NXDOMAIN", False)])
def test_a_reply_without_the_question_counts_where_it_says_no_to_all(rcode, counts):
    asker = Asker(1)
    exchanges = start(asker)
    (sent,) = exchanges.due(0.0)
    header = respond(sent.octets, rcode)[:4] + bytes(8)
    exchanges.receive(header, 0.1, over_tcp=False)
    assert len(asker.got) == counts


def test_a_truncated_reply_is_asked_for_again_over_tcp():
    asker = Asker(1)
    exchanges = start(asker)
    (sent,) = exchanges.due(0.0)
    exchanges.receive(respond(sent.octets, flags=dns.flags.TC), 0.1, over_tcp=False)
    (again,) = exchanges.due(0.1)
    assert (again.over_tcp, again.octets) == (True, sent.octets)
    exchanges.receive(respond(sent.octets), 0.2, over_tcp=False)  # too late
    assert asker.got == []
    exchanges.receive(respond(sent.octets), 0.3, over_tcp=True)
    assert [outcome.seconds for outcome in asker.got] == [0.3]


def test_a_connection_that_fails_ends_its_question_alone():
    asker = Asker(2)
    exchanges = start(asker)
    sent, _ = exchanges.due(0.0)
    exchanges.receive(respond(sent.octets, flags=dns.flags.TC), 0.1, over_tcp=False)
    exchanges.due(0.1)
    exchanges.lose(sent.octets, "no", 0.2)
    exchanges.lose(sent.octets, "no", 0.2)  # it is over already
    assert asker.got == [Silence("no")]
    assert exchanges.deadline() == 1.0


def test_nobody_answers_over_tcp_either():
    asker = Asker(1)
    exchanges = start(asker)
    (sent,) = exchanges.due(0.0)
    exchanges.receive(respond(sent.octets, flags=dns.flags.TC), 0.5, over_tcp=False)
    assert len(exchanges.due(0.5)) == 1
    assert exchanges.deadline() == 3.5
    assert exchanges.due(3.5) == []
    assert asker.got == [Silence("no answer")]


def test_ids_of_open_questions_differ():
    draws = iter([1, 1, 1, 2, 1, 2, 3])
    exchanges = Exchanges(Asker(3).tasks, lambda size: next(draws).to_bytes(size, "big"), LIMITS, 0.0)
    assert [sent.octets[:2] for sent in exchanges.due(0.0)] == [b"\0\1", b"\0\2", b"\0\3"]


@given(st.lists(st.binary(max_size=60), max_size=10), st.booleans())
def test_any_octets_may_come(datagrams, over_tcp):
    asker = Asker(3)
    exchanges = start(asker)
    exchanges.due(0.0)
    for octets in datagrams:
        exchanges.receive(octets, 0.1, over_tcp=over_tcp)
