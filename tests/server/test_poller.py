"""The supervisor's loop."""

import socket
import time

import pytest

from blackhole_guard.server.poller import Poller


@pytest.fixture
def poller():
    made = Poller()
    yield made
    made.close()


@pytest.fixture
def pair():
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


def test_it_calls_back_for_what_can_be_read(poller, pair):
    calls = []
    poller.watch(pair[0], lambda: calls.append(pair[0].recv(10)))
    poller.turn(0)
    assert calls == []
    pair[1].send(b"x")
    poller.turn(1)
    assert calls == [b"x"]


def test_it_waits_no_longer_than_told(poller):
    start = time.monotonic()
    poller.turn(0.1)
    poller.turn(-1)
    assert 0.05 < time.monotonic() - start < 1


def test_watching_for_writing_replaces_watching_for_reading(poller, pair):
    calls = []
    poller.watch(pair[0], lambda: calls.append("read"))
    poller.watch(pair[0], lambda: calls.append("write"), writing=True)
    pair[1].send(b"x")
    poller.turn(1)
    assert calls == ["write"]


def test_what_is_forgotten_is_not_called(poller, pair):
    poller.watch(pair[0].fileno(), pytest.fail)
    poller.forget(pair[0].fileno())
    poller.forget(pair[0].fileno())
    pair[1].send(b"x")
    poller.turn(0)
    assert not poller.is_watched(pair[0].fileno())


def test_a_callback_may_end_and_close_what_is_next_in_the_same_turn(poller, pair):
    calls = []

    def end_other(mine, other):
        calls.append(mine)
        mine.recv(10)
        poller.forget(other)
        other.close()

    poller.watch(pair[0], lambda: end_other(*pair))
    poller.watch(pair[1], lambda: end_other(*reversed(pair)))
    pair[0].send(b"x")
    pair[1].send(b"x")
    poller.turn(1)
    assert len(calls) == 1
