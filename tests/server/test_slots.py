"""Workers that cannot be started, or led; all else is tested with a real supervisor."""

import socket

import pytest
from doubles import RecordingLog

from blackhole_guard.server import slots as module
from blackhole_guard.server.channel import Channel, Kind, Message
from blackhole_guard.server.poller import Poller
from blackhole_guard.server.processes import Exit
from blackhole_guard.server.slots import Slots
from blackhole_guard.server.sockets import open_sockets


class Log(RecordingLog):
    error = RecordingLog.warning
    info = RecordingLog.warning


class Board:
    def __init__(self):
        self.beats, self.serving, self.deaths = {}, {}, []

    def last_beat(self, slot):
        return self.beats.get(slot, 0.0)

    def set_serving(self, slot, serving):
        self.serving[slot] = serving

    def note_death(self, slot):
        self.deaths.append(slot)


class Rig:
    """Slots whose workers are played by the test: it holds their ends of the channels."""

    def __init__(self, monkeypatch, count=2):
        self.poller, self.log, self.board = Poller(), Log(), Board()
        self.held = open_sockets(["127.0.0.1:0"], 53, count)
        self.now, self.fails, self.killed, self.ends = 100.0, False, [], {}
        monkeypatch.setattr(module, "kill_child", lambda pid, number: self.killed.append(pid))
        self._made = []
        real = module.open_channel

        def open_channel():
            ours, theirs = real()
            self._made.append(theirs.dup())
            return ours, theirs

        monkeypatch.setattr(module, "open_channel", open_channel)
        self.slots = Slots(
            self.held.slots,
            self.poller,
            self.fork,
            lambda slot, end: 0,
            board=self.board,
            log=self.log,
            clock=lambda: self.now,
        )

    def fork(self, slot, run):
        if self.fails:
            raise OSError(11, "Resource temporarily unavailable")
        if slot in self.ends:
            self.ends[slot].close()
        self.ends[slot] = Channel(self._made[-1])
        return 1000 + slot

    def say_ready(self, *slots):
        for slot in slots:
            self.ends[slot].send(Message(Kind.READY, slot))
        self.poller.turn(0.1)

    def look(self, beating=()):
        self.now = self.slots.deadline()
        for slot in beating:
            self.board.beats[slot] = self.now
        self.slots.tick(self.now)

    def close(self):
        self.slots.leave()
        for end in self._made:
            end.close()
        for end in self.ends.values():
            end.close()
        self.held.close()
        self.poller.close()


@pytest.fixture
def rig(monkeypatch):
    made = Rig(monkeypatch)
    yield made
    made.close()


def test_a_fork_that_fails_is_tried_again(rig):
    rig.fails = True
    rig.slots.start()
    assert rig.slots.pids == []
    assert rig.log.lines[0][0] == "no worker could be started"
    rig.fails = False
    rig.slots.tick(rig.now)
    assert rig.slots.pids == [1000, 1001]


def test_without_a_descriptor_for_its_channel_a_worker_is_tried_again(rig, monkeypatch):
    def fail():
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as short:
        short.setattr(module, "open_channel", fail)
        rig.slots.start()
    assert rig.slots.pids == []
    assert rig.log.lines[0] == ("no worker could be started", {"slot": 0, "error": "Too many open files"})
    rig.slots.tick(rig.now)
    assert rig.slots.pids == [1000, 1001]


def test_a_worker_serves_once_it_says_so(rig):
    rig.slots.start()
    assert not rig.slots.serving
    rig.say_ready(0)
    assert rig.slots.serving == 1 and not rig.slots.all_serving
    assert rig.ends[0].receive() == [Message(Kind.ADOPT, 1)]
    rig.say_ready(1)
    assert rig.slots.all_serving
    assert rig.ends[0].receive() == [Message(Kind.RELEASE, 1)]
    assert rig.board.serving == {0: True, 1: True}


def test_silence_is_suspected_then_punished(rig):
    rig.slots.start()
    rig.say_ready(0, 1)
    rig.look(beating=(0, 1))
    rig.ends[0].receive()
    rig.look(beating=(0,))
    assert rig.slots.all_serving
    rig.look(beating=(0,))
    assert rig.slots.serving == 1
    assert rig.ends[0].receive() == [Message(Kind.ADOPT, 1)]
    assert rig.killed == []
    rig.look(beating=(0,))
    rig.look(beating=(0,))
    assert rig.killed == [1001]


def test_workers_that_beat_are_looked_at_once_a_second_and_silent_ones_twice(rig):
    rig.slots.start()
    rig.say_ready(0, 1)
    for beating, then in ((0, 1), 0.75), ((0, 1), 1), ((0,), 0.5), ((0,), 0.5), ((0, 1), 1):
        rig.look(beating=beating)
        assert rig.slots.deadline() - rig.now == then
        assert then == 0.5 or rig.slots.deadline() % 1 == 0.25  # workers beat at the full second


def test_a_supervisor_that_looks_late_does_not_take_it_for_the_workers_silence(rig):
    rig.slots.start()
    rig.say_ready(0, 1)
    rig.look(beating=(0, 1))
    rig.now += 3600
    rig.slots.tick(rig.now)
    assert rig.slots.all_serving and rig.killed == []


def test_a_worker_that_says_nonsense_or_closes_its_channel_is_killed(rig):
    rig.slots.start()
    rig.ends[0]._end.send(b"\xff" * 8)
    rig.ends[1].close()
    rig.poller.turn(0.1)
    assert sorted(rig.killed) == [1000, 1001]


def test_a_worker_that_does_not_read_its_orders_is_killed(rig):
    rig.slots.start()
    rig.say_ready(0, 1)
    rig.ends[1]._end.shutdown(socket.SHUT_RD)
    assert rig.killed == []
    rig.slots.take_exit(Exit(1000, 9))
    assert rig.killed == [1001]


def test_when_it_stops_deaths_are_expected(rig):
    rig.slots.start()
    rig.say_ready(0, 1)
    rig.slots.stop()
    assert rig.ends[1].receive()[-1] == Message(Kind.STOP)
    assert rig.slots.take_exit(Exit(1000, 0))
    assert not rig.slots.take_exit(Exit(1000, 0))
    assert rig.board.deaths == [] and rig.slots.pids == [1001]
    assert rig.slots.deadline() is None
    rig.ends[1].close()
    rig.poller.turn(0.1)
    assert rig.killed == []
    rig.slots.kill()
    assert rig.killed == [1001]


def test_where_no_worker_is_left_the_next_one_starts_within_a_second(rig):
    rig.slots.start()
    rig.say_ready(0, 1)
    for _ in range(12):  # both die again and again, and their back-off is at its most
        for slot in (0, 1):
            assert rig.slots.take_exit(Exit(1000 + slot, 9))
        assert rig.slots.pids == []
        rig.now += 1
        rig.slots.tick(rig.now)
        assert rig.slots.pids
        rig.now += 4  # by then both are due
        rig.slots.tick(rig.now)
        assert rig.slots.pids == [1000, 1001]
    rig.slots.take_exit(Exit(1001, 9))
    rig.now += 1.5
    rig.slots.tick(rig.now)
    assert rig.slots.pids == [1000]  # a neighbour answers meanwhile
