"""What workers tell the observer, and what they do while nobody listens."""

import pytest

from blackhole_guard.app.leak_counts import CountsPipe, CountsSender, draw_bits
from blackhole_guard.leaks.counts import Sampling, parse_counts

CLIENT = bytes((10, 0, 0, 1))


@pytest.fixture
def pipe():
    made = CountsPipe()
    yield made
    made.close()


@pytest.fixture
def lost():
    return []


@pytest.fixture
def sender(pipe, lost):
    return CountsSender(pipe.writer, lost.append)


def count(sender, number, *, passed=0, one_in=1, lost=0):
    """Have a worker have counted so many addresses, once each."""
    counts = {(CLIENT, key.to_bytes(4), True): 1 for key in range(number)}
    averted = sender.averted
    averted._counts, averted._lost, averted._one_in = counts, lost, one_in
    averted._next_at += passed


def read_all(pipe):
    messages = []
    while True:
        try:
            messages.append(parse_counts(pipe.reader.recv(1 << 17)))
        except BlockingIOError:
            return messages


def test_what_was_counted_is_sent_once(pipe, sender):
    count(sender, 2, passed=2, one_in=4)
    sender.fold(1.0)
    sender.fold(2.0)
    assert read_all(pipe) == [(tuple((CLIENT, key.to_bytes(4), True, 1) for key in range(2)), Sampling(2, 4))]


def test_nothing_counted_is_nothing_sent(pipe, sender):
    sender.fold(1.0)
    assert read_all(pipe) == []


def test_while_nobody_reads_a_worker_does_not_wait_and_sends_it_later(pipe, sender):
    for turn in range(1000):
        count(sender, 3000)
        sender.fold(float(turn))
        if sender._waiting:
            break
    assert sender._waiting
    count(sender, 5)
    for turn in range(100):
        sender.fold(2000.0 + turn)
    assert len(sender.averted._counts) == 5
    before = read_all(pipe)
    sender.fold(3000.0)
    sender.fold(3001.0)
    after = read_all(pipe)
    assert sum(len(rows) for rows, _ in before + after) == (turn_of(before, after) * 3000) + 5
    assert not sender._waiting


def turn_of(before, after):
    """How often 3,000 were counted."""
    return sum(len(rows) for rows, _ in before + after) // 3000


def test_what_was_lost_is_told(sender, lost):
    count(sender, 1, lost=7)
    sender.fold(1.0)
    assert lost == [7]


def test_bits_are_drawn():
    assert draw_bits(0) == 0
    assert {draw_bits(1) for _ in range(200)} == {0, 1}
    assert max(draw_bits(16) for _ in range(200)) > 0x7FFF
    assert all(0 <= draw_bits(5) < 32 for _ in range(200))
