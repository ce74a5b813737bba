"""The receiver, in a process of its own as in the observer, and producers that behave or do not."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import struct
import time
from pathlib import Path

import pytest
from dnstap_frames import DNSTAP, READY, START, STOP, Producer, control, data, frame
from peer_processes import scratch
from receiving import receiving, wait_until

from blackhole_guard.server.stream_sockets import open_stream_socket
from blackhole_guard.telemetry import frame_receiver
from blackhole_guard.telemetry.frame_receiver import DNSTAP_CHANNEL, REFUSALS, FrameReceiver


class Log:
    def __init__(self):
        self.lines = []

    def info(self, event, **fields):
        self.lines.append(("info", event, fields))

    def warning(self, event, **fields):
        self.lines.append(("warning", event, fields))


class Frames:
    def __init__(self):
        self.taken, self.producers, self.ticks = [], [], 0

    def take(self, each, now, producer):
        self.taken.append(each)
        self.producers.append(producer)

    def tick(self, now):
        self.ticks += 1


class Rig:
    """A receiver that runs in a thread with a loop of its own."""

    def __init__(self, path, *, uids=frozenset((0,)), limit=4):
        self.path = str(path)
        self.frames, self.log = Frames(), Log()
        self.listener = open_stream_socket(self.path, "socket", user=None, group=None)
        uids |= {os.geteuid()} if 0 in uids else set()
        self.receiver = FrameReceiver(DNSTAP_CHANNEL, self.listener, uids, limit, self.frames, self.log)
        self._running = receiving(self.receiver)

    def __enter__(self):
        self._running.__enter__()
        return self

    def __exit__(self, *error):
        self._running.__exit__(*error)
        self.listener.close()

    def refused(self):
        return {reason: number for reason, number in self.receiver.refused.items() if number}


@pytest.fixture
def rig(tmp_path):
    with Rig(tmp_path / "d.sock") as made:
        yield made


def test_frames_come_through_in_their_order(rig):
    with Producer(rig.path).shake_hands() as producer:
        producer.send(b"one", b"two")
        wait_until(lambda: len(rig.frames.taken) == 2)
        assert rig.receiver.producers == 1
        producer.send(b"three")
        producer.finish()
    assert rig.frames.taken == [b"one", b"two", b"three"]
    wait_until(lambda: rig.receiver.producers == 0)
    assert rig.refused() == {}
    assert ("info", "dnstap: a producer has left") in [line[:2] for line in rig.log.lines]


def test_frames_are_told_apart_by_who_sent_them(rig):
    with Producer(rig.path).shake_hands() as one, Producer(rig.path).shake_hands() as other:
        for number, producer in enumerate((one, other, one)):
            producer.send(b"x")
            wait_until(lambda number=number: len(rig.frames.taken) == number + 1)
    first, second, third = rig.frames.producers
    assert first == third != second


def test_frames_before_what_is_wrong_are_taken(rig):
    with Producer(rig.path).shake_hands() as producer:
        producer.sock.sendall(data(b"one", b"two") + b"\xff\xff\xff\xff")
        assert producer.is_closed()
    wait_until(lambda: rig.refused() == {"too_long": 1})
    assert rig.frames.taken == [b"one", b"two"]


def test_a_unidirectional_producer_is_taken(rig):
    with Producer(rig.path) as producer:
        producer.sock.sendall(control(START, DNSTAP) + data(b"one") + control(STOP))
        assert producer.is_closed()
    assert rig.frames.taken == [b"one"]


def test_a_producer_that_just_goes_is_forgotten(rig):
    with Producer(rig.path).shake_hands() as producer:
        producer.send(b"one")
    wait_until(lambda: rig.frames.taken == [b"one"] and rig.receiver.producers == 0)
    assert rig.refused() == {}


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (control(READY, b"protobuf:other"), "content_type"),
        (control(READY, DNSTAP) + control(START, DNSTAP) + b"\xff\xff\xff\xff", "too_long"),
        (b"\xff\xff\xff\xff", "handshake"),
        (b"GET / HTTP/1.1\r\n\r\n", "handshake"),
        (struct.pack("!II", 0, 0xFFFFFFFF), "too_long"),
    ],
)
def test_who_does_not_speak_dnstap_is_sent_away(rig, octets, reason):
    with Producer(rig.path) as producer, Producer(rig.path).shake_hands() as other:
        producer.sock.sendall(octets)
        while not producer.is_closed():
            pass
        wait_until(lambda: rig.refused() == {reason: 1})
        other.send(b"one")
        wait_until(lambda: rig.frames.taken == [b"one"])
    assert reason in REFUSALS


def test_a_wrong_user_is_sent_away(tmp_path):
    with Rig(tmp_path / "d.sock", uids=frozenset((4242,))) as rig, Producer(rig.path) as producer:
        assert producer.is_closed()
        wait_until(lambda: rig.refused() == {"uid": 1})
    (line,) = rig.log.lines
    assert line[2]["uid"] == os.geteuid() and line[2]["pid"] == os.getpid()


@pytest.mark.root
def test_another_user_is_taken_if_it_is_named():
    with scratch("receiver") as folder, Rig(folder / "d.sock", uids=frozenset((65534,))) as rig:
        folder.chmod(0o755)
        os.chown(rig.path, 65534, 65534)
        with acting_as(65534), Producer(rig.path).shake_hands() as producer:
            producer.send(b"one")
            wait_until(lambda: rig.frames.taken == [b"one"])


@contextlib.contextmanager
def acting_as(uid):
    """Be another user, in this thread alone: setresuid(2) of the C library would move the receiver's, too."""
    call, keep = ctypes.CDLL(None, use_errno=True).syscall, ctypes.c_long(-1)
    setresuid = {"x86_64": 117, "aarch64": 147}[os.uname().machine]
    assert call(setresuid, keep, ctypes.c_long(uid), keep) == 0
    try:
        yield
    finally:
        assert call(setresuid, keep, ctypes.c_long(0), keep) == 0


def test_when_all_places_are_taken_a_newcomer_is_sent_away(rig):
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(Producer(rig.path).shake_hands())
        wait_until(lambda: rig.receiver.producers == 4)
        assert stack.enter_context(Producer(rig.path)).is_closed()
    wait_until(lambda: rig.refused() == {"full": 1})


def test_but_who_says_nothing_goes_first(rig):
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(Producer(rig.path)) for _ in range(4)]
        stack.enter_context(Producer(rig.path).shake_hands()).send(b"one")
        assert silent[0].is_closed()
        wait_until(lambda: rig.frames.taken == [b"one"])
    assert rig.refused()["full"] == 1


def test_a_thousand_connections_leave_room_for_one_that_speaks(rig):
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(Producer(rig.path))
        wait_until(lambda: rig.refused().get("full", 0) >= 996)
        stack.enter_context(Producer(rig.path).shake_hands()).send(b"one")
        wait_until(lambda: rig.frames.taken == [b"one"])
        assert len(os.listdir("/proc/self/fd")) < 1000 + 100


def test_who_takes_too_long_for_the_handshake_is_sent_away(rig, monkeypatch):
    monkeypatch.setattr(frame_receiver, "HANDSHAKE_SECONDS", 0.2)
    with Producer(rig.path) as producer:
        producer.sock.sendall(control(READY, DNSTAP)[:5])
        assert producer.is_closed()
    assert rig.refused() == {"timeout": 1}


def test_who_takes_too_long_for_a_frame_is_sent_away_but_not_who_has_nothing_to_say(rig, monkeypatch):
    monkeypatch.setattr(frame_receiver, "FRAME_SECONDS", 0.2)
    with Producer(rig.path).shake_hands() as idle, Producer(rig.path).shake_hands() as slow:
        slow.sock.sendall(data(b"one", b"two")[:-1])
        while not slow.is_closed():
            pass
        idle.send(b"three")
        wait_until(lambda: rig.frames.taken == [b"one", b"three"])
    assert rig.refused() == {"timeout": 1}


def test_a_frame_octet_by_octet_comes_through(rig):
    octets = frame("CLIENT_QUERY")
    with Producer(rig.path).shake_hands() as producer:
        for octet in data(octets):
            producer.sock.sendall(bytes((octet,)))
        wait_until(lambda: rig.frames.taken == [octets])


def test_without_a_producer_nothing_wakes_it_up_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(frame_receiver, "_TICK", 0.01)
    with Rig(tmp_path / "d.sock") as rig:
        wait_until(lambda: rig.frames.ticks == 4)
        time.sleep(0.2)
        assert rig.frames.ticks == 4
        with Producer(rig.path).shake_hands():
            wait_until(lambda: rig.frames.ticks > 20)
        wait_until(lambda: rig.receiver.producers == 0)
        time.sleep(0.1)
        after = rig.frames.ticks
        time.sleep(0.2)
        assert rig.frames.ticks == after


def test_frames_may_do_what_is_due_each_second(rig):
    wait_until(lambda: rig.frames.ticks >= 2)


def test_a_receiver_that_was_stopped_blames_nobody(tmp_path):
    """In a process of its own, so that it can be stopped for longer than a frame may take."""
    path, report = str(tmp_path / "d.sock"), tmp_path / "report"
    listener = open_stream_socket(path, "socket", user=None, group=None)
    child = os.fork()
    if child == 0:
        run_briefly(listener, report)
    listener.close()
    try:
        with Producer(path).shake_hands() as producer:
            octets = data(b"one")
            producer.sock.sendall(octets[:5])
            time.sleep(0.3)
            os.kill(child, signal.SIGSTOP)
            time.sleep(5)
            os.kill(child, signal.SIGCONT)
            time.sleep(1.5)
            producer.sock.sendall(octets[5:])
            producer.finish()
    finally:  # else a child that nobody ends keeps what it has inherited, such as the pipe that we print to
        os.kill(child, signal.SIGCONT)
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
    assert report.read_text() == "{} [b'one']"


def run_briefly(listener: socket.socket, report: Path) -> None:
    """Receive until SIGTERM, write down what came, and end."""
    frame_receiver.FRAME_SECONDS = 4.0
    frames = Frames()
    receiver = FrameReceiver(DNSTAP_CHANNEL, listener, frozenset((os.geteuid(),)), 4, frames, Log())

    async def run() -> None:
        task = asyncio.ensure_future(receiver.run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        asyncio.get_running_loop().call_later(60, task.cancel)  # whatever becomes of the test
        with contextlib.suppress(asyncio.CancelledError):
            await task

    try:
        asyncio.run(run())
        refused = {reason: number for reason, number in receiver.refused.items() if number}
        report.write_text(f"{refused} {frames.taken}")
    finally:
        os._exit(0)
